CREATE TABLE "administrator_tokens" (
	"token_hash" text PRIMARY KEY NOT NULL,
	"role" text NOT NULL,
	"created_at_ms" bigint NOT NULL,
	"expires_at_ms" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "audit_entries" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"at_ms" bigint NOT NULL,
	"actor" text NOT NULL,
	"action" text NOT NULL,
	"target" text NOT NULL,
	"details" jsonb NOT NULL
);
--> statement-breakpoint
CREATE TABLE "evaluations" (
	"task" text NOT NULL,
	"subject" text NOT NULL,
	"version" integer NOT NULL,
	"round" integer NOT NULL,
	"site" text NOT NULL,
	"payload_digest" text NOT NULL,
	"signature" "bytea" NOT NULL,
	"held_out_images" integer NOT NULL,
	"received_at_ms" bigint NOT NULL,
	CONSTRAINT "evaluations_task_subject_version_round_site_pk" PRIMARY KEY("task","subject","version","round","site")
);
--> statement-breakpoint
CREATE TABLE "idempotency_keys" (
	"key" text PRIMARY KEY NOT NULL,
	"request_digest" text NOT NULL,
	"status" integer NOT NULL,
	"wrapped_response" "bytea" NOT NULL,
	"created_at_ms" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "invitations" (
	"secret_hash" text PRIMARY KEY NOT NULL,
	"site" text NOT NULL,
	"created_at_ms" bigint NOT NULL,
	"expires_at_ms" bigint NOT NULL,
	"used_at_ms" bigint
);
--> statement-breakpoint
CREATE TABLE "round_events" (
	"round_id" bigint NOT NULL,
	"sequence" integer NOT NULL,
	"event" jsonb NOT NULL,
	"at_ms" bigint NOT NULL,
	CONSTRAINT "round_events_round_id_sequence_pk" PRIMARY KEY("round_id","sequence")
);
--> statement-breakpoint
CREATE TABLE "rounds" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"task" text NOT NULL,
	"round" integer NOT NULL,
	"attempt" integer NOT NULL,
	"state" jsonb NOT NULL,
	"phase" text NOT NULL,
	"open_payload" "bytea" NOT NULL,
	"open_signature" "bytea" NOT NULL,
	"open_digest" text NOT NULL,
	"round_public_key" text NOT NULL,
	"wrapped_secret_key" "bytea",
	"opened_at_ms" bigint NOT NULL,
	"deadline_at_ms" bigint NOT NULL,
	"settled_at_ms" bigint,
	"membership_payload" "bytea",
	"membership_signature" "bytea"
);
--> statement-breakpoint
CREATE TABLE "settings" (
	"key" text PRIMARY KEY NOT NULL,
	"value" jsonb NOT NULL
);
--> statement-breakpoint
CREATE TABLE "sites" (
	"site" text PRIMARY KEY NOT NULL,
	"status" text NOT NULL,
	"reason" text,
	"signing_public_key" text,
	"agreement_public_key" text,
	"fingerprint" text,
	"invited_at_ms" bigint NOT NULL,
	"enrolled_at_ms" bigint,
	"approved_at_ms" bigint,
	"last_seen_at_ms" bigint,
	"agent_version" text,
	"lost_rounds" integer DEFAULT 0 NOT NULL,
	"capabilities" jsonb,
	CONSTRAINT "sites_signing_public_key_unique" UNIQUE("signing_public_key")
);
--> statement-breakpoint
CREATE TABLE "tasks" (
	"task" text PRIMARY KEY NOT NULL,
	"definition" jsonb NOT NULL,
	"status" text NOT NULL,
	"reason" text,
	"created_at_ms" bigint NOT NULL,
	"latest_version" integer NOT NULL,
	"attempts_forgiven" integer DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "upload_ranges" (
	"upload_id" text NOT NULL,
	"index" integer NOT NULL,
	"digest" text NOT NULL,
	"bytes" integer NOT NULL,
	CONSTRAINT "upload_ranges_upload_id_index_pk" PRIMARY KEY("upload_id","index")
);
--> statement-breakpoint
CREATE TABLE "uploads" (
	"upload_id" text PRIMARY KEY NOT NULL,
	"round_id" bigint NOT NULL,
	"site" text NOT NULL,
	"bytes" integer NOT NULL,
	"samples" integer NOT NULL,
	"training_loss" double precision NOT NULL,
	"manifest_payload" "bytea" NOT NULL,
	"manifest_signature" "bytea" NOT NULL,
	"status" text NOT NULL,
	"rejection_code" text,
	"rejection_message" text,
	"created_at_ms" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "versions" (
	"task" text NOT NULL,
	"version" integer NOT NULL,
	"adapter_digest" text NOT NULL,
	"adapter_bytes" integer NOT NULL,
	"ciphertext_digest" text NOT NULL,
	"ciphertext_bytes" integer NOT NULL,
	"wrapped_content_key" "bytea" NOT NULL,
	"round_id" bigint,
	"result_payload" "bytea",
	"result_signature" "bytea",
	"result_digest" text,
	"created_at_ms" bigint NOT NULL,
	CONSTRAINT "versions_task_version_pk" PRIMARY KEY("task","version")
);
--> statement-breakpoint
CREATE UNIQUE INDEX "rounds_task_round_attempt" ON "rounds" USING btree ("task","round","attempt");--> statement-breakpoint
CREATE INDEX "rounds_phase" ON "rounds" USING btree ("phase");--> statement-breakpoint
CREATE UNIQUE INDEX "uploads_round_site" ON "uploads" USING btree ("round_id","site");--> statement-breakpoint
CREATE INDEX "versions_ciphertext_digest" ON "versions" USING btree ("ciphertext_digest");