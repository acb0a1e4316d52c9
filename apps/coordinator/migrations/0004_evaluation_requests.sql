CREATE TABLE "evaluation_items" (
	"request" text NOT NULL,
	"version" integer NOT NULL,
	"site" text NOT NULL,
	"state" text NOT NULL,
	"code" text,
	"reason" text,
	"changed_at_ms" bigint NOT NULL,
	CONSTRAINT "evaluation_items_request_version_site_pk" PRIMARY KEY("request","version","site")
);
--> statement-breakpoint
CREATE TABLE "evaluation_requests" (
	"request" text PRIMARY KEY NOT NULL,
	"task" text NOT NULL,
	"subject" text NOT NULL,
	"reason" text,
	"payload" "bytea" NOT NULL,
	"signature" "bytea" NOT NULL,
	"requested_at_ms" bigint NOT NULL,
	"deadline_at_ms" bigint NOT NULL,
	"closed_at_ms" bigint
);
--> statement-breakpoint
CREATE TABLE "version_decisions" (
	"task" text NOT NULL,
	"version" integer NOT NULL,
	"promotion" text NOT NULL,
	"is_stopped" boolean NOT NULL,
	"reason" text NOT NULL,
	"figures" jsonb NOT NULL,
	"decided_at_ms" bigint NOT NULL,
	CONSTRAINT "version_decisions_task_version_pk" PRIMARY KEY("task","version")
);
--> statement-breakpoint
CREATE INDEX "evaluation_requests_task" ON "evaluation_requests" USING btree ("task");