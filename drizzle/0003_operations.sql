CREATE TABLE "outbox_dead_letters" (
	"relay" text NOT NULL,
	"position" bigint NOT NULL,
	"event_id" uuid NOT NULL,
	"aggregate_type" text NOT NULL,
	"aggregate_id" text NOT NULL,
	"type" text NOT NULL,
	"state" text NOT NULL,
	"holds" boolean DEFAULT true NOT NULL,
	"attempts" smallint DEFAULT 0 NOT NULL,
	"error_code" text,
	"error" text,
	"first_failed_at" timestamp with time zone,
	"last_failed_at" timestamp with time zone,
	"next_attempt_at" timestamp with time zone,
	"resolved_at" timestamp with time zone,
	CONSTRAINT "outbox_dead_letters_pkey" PRIMARY KEY("relay","position")
);
--> statement-breakpoint
ALTER TABLE "outbox_relays" ALTER COLUMN "schema_version" SET DEFAULT 4;--> statement-breakpoint
ALTER TABLE "outbox_relays" ADD COLUMN "kind" text DEFAULT 'snapshot' NOT NULL;--> statement-breakpoint
ALTER TABLE "outbox_relays" ADD COLUMN "max_published" bigint;--> statement-breakpoint
ALTER TABLE "outbox_relays" ADD COLUMN "replay_from" bigint;--> statement-breakpoint
ALTER TABLE "outbox_relays" ADD COLUMN "replay_begun" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "outbox_relays" ADD COLUMN "replays" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "outbox_relays" ADD COLUMN "crashes" smallint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "outbox_relays" ADD COLUMN "suspect" bigint;--> statement-breakpoint
ALTER TABLE "outbox_relays" ADD COLUMN "active_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL;--> statement-breakpoint
CREATE INDEX "outbox_dead_letters_aggregate" ON "outbox_dead_letters" USING btree ("relay","aggregate_type","aggregate_id","position") WHERE holds and state <> 'discarded';--> statement-breakpoint
CREATE INDEX "outbox_dead_letters_due" ON "outbox_dead_letters" USING btree ("relay","next_attempt_at") WHERE state in ('retrying', 'sending');