CREATE TABLE "api_tokens" (
	"token_hash" text PRIMARY KEY NOT NULL,
	"token" text NOT NULL,
	"name" text NOT NULL,
	"owner" text,
	"scopes" jsonb NOT NULL,
	"created_at_ms" bigint NOT NULL,
	"expires_at_ms" bigint NOT NULL,
	"last_used_at_ms" bigint,
	CONSTRAINT "api_tokens_token_unique" UNIQUE("token")
);
--> statement-breakpoint
CREATE TABLE "users" (
	"user" text PRIMARY KEY NOT NULL,
	"role" text NOT NULL,
	"site" text,
	"status" text NOT NULL,
	"reason" text,
	"password_hash" text,
	"is_password_temporary" boolean NOT NULL,
	"password_set_at_ms" bigint,
	"version" integer NOT NULL,
	"created_at_ms" bigint NOT NULL,
	"last_sign_in_at_ms" bigint,
	"wrapped_totp_secret" "bytea",
	"is_totp_confirmed" boolean DEFAULT false NOT NULL,
	"totp_last_step" bigint,
	"recovery_code_hashes" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"issuer" text,
	"subject" text
);
--> statement-breakpoint
CREATE INDEX "api_tokens_owner" ON "api_tokens" USING btree ("owner");--> statement-breakpoint
CREATE UNIQUE INDEX "users_issuer_subject" ON "users" USING btree ("issuer","subject");