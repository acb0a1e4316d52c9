/** Everything of the coordinator, put together. */
import { Module, type DynamicModule, type OnApplicationBootstrap } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import { AuditChainService } from './audit/audit-chain.service.ts';
import { AuditController } from './audit/audit.controller.ts';
import { AuditTallyService } from './audit/audit-tally.service.ts';
import { AuditService } from './audit/audit.service.ts';
import { BackupController } from './backup/backup.controller.ts';
import { BackupService } from './backup/backup.service.ts';
import { AccessGuard } from './common/access.guard.ts';
import { AnswersInterceptor } from './common/answers.interceptor.ts';
import { BackgroundWork } from './common/background-work.ts';
import { Changes } from './common/changes.ts';
import { Environment } from './common/environment.ts';
import { RequestLimits } from './common/request-limits.ts';
import { ErrorFilter } from './common/error.filter.ts';
import { ChangesInterceptor } from './dashboard/changes.interceptor.ts';
import { DashboardGateway } from './dashboard/dashboard.gateway.ts';
import { BaselineRequestsService } from './evaluation/baseline-requests.service.ts';
import { EvaluationBriefService } from './evaluation/evaluation-brief.service.ts';
import { EvaluationController } from './evaluation/evaluation.controller.ts';
import { EvaluationFiguresService } from './evaluation/evaluation-figures.service.ts';
import { EvaluationRequestStore } from './evaluation/evaluation-request-store.ts';
import { EvaluationRequestsService } from './evaluation/evaluation-requests.service.ts';
import { EvaluationsService } from './evaluation/evaluations.service.ts';
import { LocalAdaptersService } from './evaluation/local-adapters.service.ts';
import { VersionRulesService } from './evaluation/version-rules.service.ts';
import { ApiController } from './openapi/api.controller.ts';
import { HealthController } from './health/health.controller.ts';
import { CleaningService } from './operations/cleaning.service.ts';
import { DiskService } from './operations/disk.service.ts';
import { DrainService } from './operations/drain.service.ts';
import { OpeningGate } from './operations/opening-gate.service.ts';
import { OperationsController } from './operations/operations.controller.ts';
import { BlobStore } from './registry/blob-store.ts';
import { RegistryController } from './registry/registry.controller.ts';
import { VersionsService } from './registry/versions.service.ts';
import { AggregationService } from './rounds/aggregation.service.ts';
import { AssignmentsService } from './rounds/assignments.service.ts';
import { DeadlinesService } from './rounds/deadlines.service.ts';
import { DecisionsService } from './rounds/decisions.service.ts';
import { RoundOpeningsService } from './rounds/round-openings.service.ts';
import { RoundSealsService } from './rounds/round-seals.service.ts';
import { RoundStore } from './rounds/round-store.ts';
import { RoundTransitionsService } from './rounds/round-transitions.service.ts';
import { RoundViewsService } from './rounds/round-views.service.ts';
import { RoundsController } from './rounds/rounds.controller.ts';
import { RoundsService } from './rounds/rounds.service.ts';
import { VerificationService } from './rounds/verification.service.ts';
import { SignedBySite } from './rounds/signed-by-site.ts';
import { ConnectionsService } from './sites/connections.service.ts';
import { EnrollmentService } from './sites/enrollment.service.ts';
import { LeavingService } from './sites/leaving.service.ts';
import { NoncesService } from './sites/nonces.service.ts';
import { RosterService } from './sites/roster.service.ts';
import { SiteCommandsService } from './sites/site-commands.service.ts';
import { SitesController } from './sites/sites.controller.ts';
import { SitesGateway } from './sites/sites.gateway.ts';
import { SitesService } from './sites/sites.service.ts';
import { SchedulesService } from './tasks/schedules.service.ts';
import { TaskLineageService } from './tasks/task-lineage.service.ts';
import { TaskStore } from './tasks/task-store.ts';
import { TasksController } from './tasks/tasks.controller.ts';
import { TasksService } from './tasks/tasks.service.ts';
import { TelemetryController } from './telemetry/telemetry.controller.ts';
import { TelemetryService } from './telemetry/telemetry.service.ts';
import { RetentionService } from './uploads/retention.service.ts';
import { UploadAdmission } from './uploads/upload-admission.service.ts';
import { UploadStore } from './uploads/upload-store.ts';
import { UploadsService } from './uploads/uploads.service.ts';
import { AccountsController } from './users/accounts.controller.ts';
import { AccountsService } from './users/accounts.service.ts';
import { CallersService } from './users/callers.service.ts';
import { GrantsService } from './users/grants.service.ts';
import { PasswordSignInService } from './users/password-sign-in.service.ts';
import { PasswordsService } from './users/passwords.service.ts';
import { SecondFactorController } from './users/second-factor.controller.ts';
import { SecondFactorService } from './users/second-factor.service.ts';
import { SessionsService } from './users/sessions.service.ts';
import { SignInLinksService } from './users/sign-in-links.service.ts';
import { SignInThrottle } from './users/sign-in-throttle.service.ts';
import { SingleSignOnController } from './users/single-sign-on.controller.ts';
import { SingleSignOnService } from './users/single-sign-on.service.ts';
import { TokenStore } from './users/token-store.ts';
import { TokensController } from './users/tokens.controller.ts';
import { TokensService } from './users/tokens.service.ts';
import { UserStore } from './users/user-store.ts';
import { UsersController } from './users/users.controller.ts';
import { UsersService } from './users/users.service.ts';
import { AlertStore } from './webhooks/alert-store.ts';
import { AlertWatchService } from './webhooks/alert-watch.service.ts';
import { AlertsService } from './webhooks/alerts.service.ts';
import { DeliveriesService } from './webhooks/deliveries.service.ts';
import { DeliveryStore } from './webhooks/delivery-store.ts';
import { WebhookStore } from './webhooks/webhook-store.ts';
import { WebhooksController } from './webhooks/webhooks.controller.ts';
import { WebhooksService } from './webhooks/webhooks.service.ts';

const services = [
  AccountsService,
  AggregationService,
  AlertStore,
  AlertWatchService,
  AlertsService,
  AssignmentsService,
  AuditChainService,
  AuditService,
  AuditTallyService,
  BackgroundWork,
  BackupService,
  BaselineRequestsService,
  BlobStore,
  CallersService,
  Changes,
  CleaningService,
  ConnectionsService,
  DashboardGateway,
  DeadlinesService,
  DecisionsService,
  DeliveriesService,
  DeliveryStore,
  DiskService,
  DrainService,
  EnrollmentService,
  EvaluationBriefService,
  EvaluationFiguresService,
  EvaluationRequestStore,
  EvaluationRequestsService,
  EvaluationsService,
  GrantsService,
  LeavingService,
  LocalAdaptersService,
  NoncesService,
  OpeningGate,
  PasswordSignInService,
  PasswordsService,
  RequestLimits,
  RetentionService,
  RosterService,
  RoundOpeningsService,
  RoundSealsService,
  RoundStore,
  RoundTransitionsService,
  RoundViewsService,
  RoundsService,
  SchedulesService,
  SecondFactorService,
  SessionsService,
  SignInLinksService,
  SignInThrottle,
  SignedBySite,
  SingleSignOnService,
  SiteCommandsService,
  SitesGateway,
  SitesService,
  TaskLineageService,
  TaskStore,
  TasksService,
  TokenStore,
  TokensService,
  TelemetryService,
  UploadAdmission,
  UploadStore,
  UploadsService,
  UserStore,
  UsersService,
  VerificationService,
  VersionRulesService,
  VersionsService,
  WebhookStore,
  WebhooksService,
];

/** Everything of the coordinator, put together. */
@Module({})
export class AppModule implements OnApplicationBootstrap {
  readonly #environment: Environment;
  readonly #audit: AuditTallyService;
  readonly #roster: RosterService;
  readonly #rounds: RoundsService;
  readonly #openings: RoundOpeningsService;
  readonly #evaluations: EvaluationRequestsService;
  readonly #rules: VersionRulesService;
  readonly #sites: SitesService;
  readonly #leaving: LeavingService;
  readonly #retention: RetentionService;
  readonly #disk: DiskService;
  readonly #cleaning: CleaningService;
  readonly #deliveries: DeliveriesService;
  readonly #alerts: AlertWatchService;

  constructor(
    environment: Environment,
    audit: AuditTallyService,
    roster: RosterService,
    rounds: RoundsService,
    openings: RoundOpeningsService,
    evaluations: EvaluationRequestsService,
    rules: VersionRulesService,
    sites: SitesService,
    leaving: LeavingService,
    retention: RetentionService,
    disk: DiskService,
    cleaning: CleaningService,
    deliveries: DeliveriesService,
    alerts: AlertWatchService,
  ) {
    this.#environment = environment;
    this.#audit = audit;
    this.#roster = roster;
    this.#rounds = rounds;
    this.#openings = openings;
    this.#evaluations = evaluations;
    this.#rules = rules;
    this.#sites = sites;
    this.#leaving = leaving;
    this.#retention = retention;
    this.#disk = disk;
    this.#cleaning = cleaning;
    this.#deliveries = deliveries;
    this.#alerts = alerts;
  }

  static with(environment: Environment): DynamicModule {
    return {
      module: AppModule,
      controllers: [
        AccountsController,
        ApiController,
        AuditController,
        BackupController,
        EvaluationController,
        HealthController,
        OperationsController,
        RegistryController,
        RoundsController,
        SecondFactorController,
        SingleSignOnController,
        SitesController,
        TasksController,
        TokensController,
        TelemetryController,
        UsersController,
        WebhooksController,
      ],
      providers: [
        { provide: Environment, useValue: environment },
        { provide: APP_GUARD, useClass: AccessGuard },
        { provide: APP_INTERCEPTOR, useClass: AnswersInterceptor },
        { provide: APP_INTERCEPTOR, useClass: ChangesInterceptor },
        { provide: APP_FILTER, useClass: ErrorFilter },
        ...services,
      ],
    };
  }

  /** Go on where the last process ended, before the port opens. */
  async onApplicationBootstrap(): Promise<void> {
    await this.#audit.start();
    await this.#roster.refresh();
    this.#environment.crashPoints.reach('coordinator.resuming');
    await this.#cleaning.start();
    await this.#rounds.resume();
    await this.#sites.resumeWithdrawals();
    await this.#leaving.resume();
    this.#evaluations.start();
    await this.#rules.start();
    this.#retention.start();
    this.#disk.start(() => this.#openings.advanceAll());
    this.#deliveries.start();
    this.#alerts.start();
  }
}
