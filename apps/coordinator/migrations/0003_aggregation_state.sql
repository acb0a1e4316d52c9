ALTER TABLE "rounds" ADD COLUMN "figures" jsonb;--> statement-breakpoint
ALTER TABLE "versions" ADD COLUMN "state_digest" text;--> statement-breakpoint
ALTER TABLE "versions" ADD COLUMN "state_ciphertext_digest" text;