import { utf8 } from '#core/bytes';
import { refusal, World } from '../testing/admin-world.ts';

describe('melo admin audit export', () => {
  const log = utf8('{"sequence":1}\n'.repeat(1000));

  test('passes the log on as it comes, and says how much it was', async () => {
    const world = new World({ 'GET /v1/audit/export': () => ({ body: log }) });
    await world.run('audit', 'export', 'log.ndjson', '--json');
    expect(Buffer.compare(world.written.get('log.ndjson') ?? new Uint8Array(0), log)).toBe(0);
    expect(JSON.parse(world.printed)).toEqual({ file: 'log.ndjson', bytes: log.length });
  });

  test('replaces no file unasked, and writes none of a refusal', async () => {
    const world = new World({
      'GET /v1/audit/export': () => refusal(403, 'FORBIDDEN', 'This is not allowed.'),
    });
    await world.run('audit', 'export', 'token');
    expect(world.told).toContain('ALREADY_EXISTS');
    await world.run('audit', 'export', 'log.ndjson');
    expect(world.told).toContain('FORBIDDEN');
    expect(world.exitCode).toBe(7);
    expect(world.written.size).toBe(0);
  });
});
