ALTER TABLE "evaluations" DROP CONSTRAINT "evaluations_task_subject_version_round_site_pk";--> statement-breakpoint
ALTER TABLE "uploads" ALTER COLUMN "round_id" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "evaluation_requests" ADD COLUMN "owner" text;--> statement-breakpoint
ALTER TABLE "evaluation_requests" ADD COLUMN "ciphertext_digest" text;--> statement-breakpoint
ALTER TABLE "evaluation_requests" ADD COLUMN "ciphertext_bytes" integer;--> statement-breakpoint
ALTER TABLE "evaluation_requests" ADD COLUMN "wrapped_key" "bytea";--> statement-breakpoint
ALTER TABLE "evaluations" ADD COLUMN "owner" text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE "evaluations" ADD CONSTRAINT "evaluations_task_subject_version_round_site_owner_pk" PRIMARY KEY("task","subject","version","round","site","owner");--> statement-breakpoint
ALTER TABLE "uploads" ADD COLUMN "request" text;--> statement-breakpoint
CREATE UNIQUE INDEX "uploads_request_site" ON "uploads" USING btree ("request","site");