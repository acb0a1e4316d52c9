import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeAdapterFile } from '#core/adapter';
import { throughPort } from '../common/calls.ts';
import { allRoutes } from '../common/contracts.ts';
import { packageRoot } from '../common/package-info.ts';
import { Harness } from '../testing/harness.ts';
import { Metrics, timedCalls } from './metrics.ts';

/** Series of a text in Prometheus's format: `name{labels}` to value. */
const seriesOf = (text: string): ReadonlyMap<string, number> =>
  new Map(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => {
        const space = line.lastIndexOf(' ');
        return [line.slice(0, space), Number(line.slice(space + 1))] as const;
      }),
  );

describe('docs/telemetry.md', () => {
  const page = readFileSync(join(packageRoot, 'docs', 'telemetry.md'), 'utf8');
  const documented = page.split('\n').filter((line) => line.startsWith('| `'));
  const counted = new Metrics().registry.getMetricsAsArray().map((metric) => {
    const { name, help, labelNames } = metricOf(metric);
    const labels = labelNames.map((label) => `\`${label}\``).join(', ') || 'none';
    return `| \`${name}\` | ${kindOf(metric)} | ${labels} | ${help} |`;
  });

  test('has every figure with its labels, and no other', () => {
    expect(documented).toEqual(counted);
  });
});

interface Described {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
}

/** The names of a metric, which the library's types keep to themselves. */
function metricOf(metric: object): Described {
  const described: Partial<Described> = metric;
  const { name, help, labelNames } = described;
  if (name === undefined || help === undefined || labelNames === undefined) {
    throw new Error('a metric of prom-client has a name, a help and names of labels');
  }
  return { name, help, labelNames };
}

function kindOf(metric: object): string {
  return metric.constructor.name.toLowerCase();
}

describe('GET /metrics', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start({ settings: { retentionMs: 0 } });
    for (const name of ['east', 'north', 'south', 'west']) await harness.join(name);
    await harness.createTask({ rounds: 1 });
  });
  afterAll(() => harness.stop());

  const members = () =>
    [...harness.sites].flatMap(([name, site]) => (name === 'east' ? [] : [site]));
  const read = async (headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${harness.coordinator.url}/metrics`, { headers });
  const series = async (): Promise<ReadonlyMap<string, number>> =>
    seriesOf(await (await read()).text());

  test('is open on this machine, and elsewhere to whoever may read', async () => {
    const here = await read();
    expect(here.status).toBe(200);
    expect(here.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const throughProxy = { 'x-forwarded-for': '192.0.2.1' };
    expect((await read(throughProxy)).status).toBe(401);
    const authorization = `Bearer ${harness.token}`;
    expect((await read({ ...throughProxy, authorization })).status).toBe(200);
    expect((await read({ ...throughProxy, authorization: 'Bearer x' })).status).toBe(401);
  });

  test('tells sites, tasks, rounds, disk, keys and the log as they are', async () => {
    await harness.request('POST', '/v1/sites/east/suspend', { reason: 'maintenance' });
    const figures = await series();
    expect(figures.get('melo_sites{status="active"}')).toBe(3);
    expect(figures.get('melo_sites{status="suspended"}')).toBe(1);
    expect(figures.get('melo_sites_connected')).toBe(3);
    expect(figures.get('melo_tasks{status="running"}')).toBe(1);
    expect(figures.get('melo_rounds{phase="published"}')).toBe(0);
    expect(figures.get('melo_site_key_age_seconds{site="north"}')).toBeGreaterThanOrEqual(0);
    expect(figures.has('melo_site_key_age_seconds{site="east"}')).toBe(false);
    expect(figures.get('melo_key_age_seconds{key="signing"}')).toBeGreaterThanOrEqual(0);
    expect(figures.get('melo_disk_free_bytes')).toBeGreaterThan(0);
    expect(figures.get('melo_audit_chain_length')).toBeGreaterThan(0);
    expect(figures.get('process_resident_memory_bytes')).toBeGreaterThan(0);
    expect(figures.get('melo_metrics_reading_failures_total')).toBe(0);
  });

  test('counts updates, rounds, bytes and calls of the database', async () => {
    const before = await series();
    const { layout } = decodeAdapterFile(await harness.download('chest', 0));
    for (const site of members()) {
      await site.takePart('chest', new Float32Array(layout.size).fill(1), 10);
    }
    await harness.untilVersion('chest', 1);
    const after = await series();
    const grown = (name: string): number => (after.get(name) ?? 0) - (before.get(name) ?? 0);
    expect(grown('melo_updates_received_total')).toBe(3);
    expect(grown('melo_round_duration_seconds_count{outcome="published"}')).toBe(1);
    expect(grown('melo_aggregation_seconds_count')).toBe(1);
    expect(grown('melo_rounds{phase="published"}')).toBe(1);
    expect(grown('melo_site_bytes_total{direction="in"}')).toBeGreaterThan(3 * layout.size * 4);
    expect(grown('melo_site_commands_total{command="upload:commit",outcome="ok"}')).toBe(3);
    expect(grown('melo_store_call_seconds_count{kind="statement",outcome="ok"}')).toBeGreaterThan(
      0,
    );
  });

  test('counts requests by the template of their route, whatever a caller writes', async () => {
    await harness.raw('GET', '/v1/sites/north');
    await harness.raw('GET', '/v1/sites/nobody');
    await harness.raw('GET', '/v1/of-my-own-making');
    const figures = await series();
    const requests = [...figures.keys()].filter((name) =>
      name.startsWith('melo_http_requests_total'),
    );
    const routes = new Set([...allRoutes.map(({ path }) => path), 'other']);
    for (const name of requests) {
      expect(routes).toContain(/route="([^"]*)"/.exec(name)?.[1]);
    }
    const label = 'melo_http_requests_total{method="GET",route="/v1/sites/:site",status=';
    expect(figures.get(`${label}"200"}`)).toBeGreaterThan(0);
    expect(figures.get(`${label}"404"}`)).toBe(1);
    expect([...figures.keys()].join('\n')).not.toContain('of-my-own-making');
  });
});

test('a call that fails is counted as one, and its error passes', async () => {
  const metrics = new Metrics();
  const port = timedCalls(throughPort, metrics);
  const call = { kind: 'statement', name: 'select 1' } as const;
  await port.pass(call, () => Promise.resolve(1));
  await expect(port.pass(call, () => Promise.reject(new Error('away')))).rejects.toThrow('away');
  const figures = seriesOf(await metrics.registry.metrics());
  const name = 'melo_store_call_seconds_count{kind="statement",outcome=';
  expect(figures.get(`${name}"ok"}`)).toBe(1);
  expect(figures.get(`${name}"failed"}`)).toBe(1);
});
