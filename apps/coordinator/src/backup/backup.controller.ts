/** REST of backups. */
import { Controller, StreamableFile } from '@nestjs/common';
import { Route } from '../common/route.ts';
import { backupRoutes } from './backup.contract.ts';
import { BackupService } from './backup.service.ts';

@Controller()
export class BackupController {
  readonly #backups: BackupService;

  constructor(backups: BackupService) {
    this.#backups = backups;
  }

  @Route(backupRoutes.download)
  async download(): Promise<StreamableFile> {
    return new StreamableFile(await this.#backups.begin(), {
      type: 'application/x-tar',
      disposition: 'attachment; filename="backup.tar"',
    });
  }
}
