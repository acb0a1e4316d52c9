ALTER TABLE "audit_entries" ADD COLUMN "payload" "bytea";--> statement-breakpoint
ALTER TABLE "audit_entries" ADD COLUMN "sequence" bigint;--> statement-breakpoint
ALTER TABLE "audit_entries" ADD COLUMN "link_digest" text;--> statement-breakpoint
ALTER TABLE "rounds" ADD COLUMN "base_version" integer;--> statement-breakpoint
ALTER TABLE "tasks" ADD COLUMN "promoted_version" integer;--> statement-breakpoint
ALTER TABLE "tasks" ADD COLUMN "next_base_version" integer;--> statement-breakpoint
ALTER TABLE "tasks" ADD COLUMN "schedule" jsonb;--> statement-breakpoint
ALTER TABLE "versions" ADD COLUMN "left_sites" jsonb DEFAULT '[]'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "audit_entries" ADD CONSTRAINT "audit_entries_sequence_unique" UNIQUE("sequence");