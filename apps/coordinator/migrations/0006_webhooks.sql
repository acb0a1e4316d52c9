CREATE TABLE "open_alerts" (
	"kind" text NOT NULL,
	"subject" text NOT NULL,
	"alert" text NOT NULL,
	"summary" text NOT NULL,
	"details" jsonb NOT NULL,
	"since_ms" bigint NOT NULL,
	CONSTRAINT "open_alerts_kind_subject_pk" PRIMARY KEY("kind","subject")
);
--> statement-breakpoint
CREATE TABLE "webhook_deliveries" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"webhook" text NOT NULL,
	"alert" text NOT NULL,
	"body" text NOT NULL,
	"created_at_ms" bigint NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"next_at_ms" bigint,
	"delivered_at_ms" bigint,
	"last_outcome" text
);
--> statement-breakpoint
CREATE TABLE "webhooks" (
	"webhook" text PRIMARY KEY NOT NULL,
	"url" text NOT NULL,
	"kinds" jsonb NOT NULL,
	"wrapped_secret" "bytea" NOT NULL,
	"created_at_ms" bigint NOT NULL,
	CONSTRAINT "webhooks_url_unique" UNIQUE("url")
);
--> statement-breakpoint
CREATE INDEX "webhook_deliveries_next" ON "webhook_deliveries" USING btree ("next_at_ms");--> statement-breakpoint
CREATE INDEX "webhook_deliveries_webhook" ON "webhook_deliveries" USING btree ("webhook","id");