/** The figures, for Prometheus. */
import { Controller, Res } from '@nestjs/common';
import type { Response } from 'express';
import { Route } from '../common/route.ts';
import { telemetryRoutes } from './telemetry.contract.ts';
import { TelemetryService } from './telemetry.service.ts';

@Controller()
export class TelemetryController {
  readonly #telemetry: TelemetryService;

  constructor(telemetry: TelemetryService) {
    this.#telemetry = telemetry;
  }

  @Route(telemetryRoutes.metrics)
  async metrics(@Res({ passthrough: true }) response: Response): Promise<string> {
    const { text, mediaType } = await this.#telemetry.read();
    response.setHeader('Content-Type', mediaType);
    return text;
  }
}
