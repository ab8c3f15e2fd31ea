ALTER TABLE "outbox_relays" ALTER COLUMN "schema_version" SET DEFAULT 3;--> statement-breakpoint
ALTER TABLE "outbox_relays" ADD COLUMN "publisher_state" json;