CREATE TABLE "outbox_aggregates" (
	"type" text NOT NULL,
	"id" text NOT NULL,
	"version" bigint NOT NULL,
	CONSTRAINT "outbox_aggregates_pkey" PRIMARY KEY("type","id")
);
--> statement-breakpoint
CREATE TABLE "outbox_events" (
	"position" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "outbox_events_position_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"xid" "xid8" DEFAULT pg_current_xact_id() NOT NULL,
	"id" uuid NOT NULL,
	"aggregate_type" text NOT NULL,
	"aggregate_id" text NOT NULL,
	"aggregate_version" bigint NOT NULL,
	"type" text NOT NULL,
	"schema_version" smallint DEFAULT 1 NOT NULL,
	"data" json NOT NULL,
	"metadata" json,
	"occurred_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "outbox_relays" (
	"name" text PRIMARY KEY NOT NULL,
	"snapshot" "pg_snapshot" NOT NULL,
	"next" "pg_snapshot",
	"page" bigint,
	"cluster" text NOT NULL,
	"owner" text,
	"epoch" bigint NOT NULL,
	"lease_until" timestamp with time zone
);
--> statement-breakpoint
CREATE INDEX "outbox_events_xid" ON "outbox_events" USING btree ("xid");