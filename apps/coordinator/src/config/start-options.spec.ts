import { isLoopback, startOptions } from './start-options.ts';

const defaults = {
  data: 'folder',
  host: '127.0.0.1',
  port: '8440',
  retentionDays: '7',
  logLevel: 'info',
};

describe('the options of a start', () => {
  test('serve the loopback without TLS', () => {
    const { options } = startOptions(defaults, undefined);
    expect(options).toMatchObject({
      dataFolder: 'folder',
      port: 8440,
      settings: { retentionMs: 604_800_000 },
    });
  });

  test.each([
    ['another host without TLS', { host: '0.0.0.0' }],
    ['a host name without TLS', { host: 'coordinator.example' }],
    ['a certificate without its key', { tlsCert: 'cert.pem' }],
  ])('refuse %s', (_name, change) => {
    expect(() => startOptions({ ...defaults, ...change }, undefined)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    );
  });

  test.each([{ insecureHttp: true }, { trustProxy: true }, { tlsCert: 'a', tlsKey: 'b' }])(
    'serve another host with %j',
    (change) => {
      expect(startOptions({ ...defaults, host: '0.0.0.0', ...change }, '').options.host).toBe(
        '0.0.0.0',
      );
    },
  );

  test.each([
    { port: '65536' },
    { port: 'x' },
    { logLevel: 'loud' },
    { publicUrl: 'ftp://x' },
    { alertSilentMinutes: '0' },
    { alertKeyDays: '1.5' },
  ])('refuse %j as usage', (change) => {
    expect(() => startOptions({ ...defaults, ...change }, undefined)).toThrow(
      expect.objectContaining({ code: 'USAGE' }),
    );
  });

  test('say after how long people are told of silent sites and old keys', () => {
    expect(startOptions(defaults, undefined).options.settings).toMatchObject({
      ...{ siteSilentMs: 600_000, keyAgeMaxMs: 365 * 86_400_000 },
    });
    const given = { ...defaults, alertSilentMinutes: '90', alertKeyDays: '30' };
    expect(startOptions(given, undefined).options.settings).toMatchObject({
      ...{ siteSilentMs: 5_400_000, keyAgeMaxMs: 30 * 86_400_000 },
    });
  });

  test('know the loopback in both families', () => {
    expect(['127.0.0.1', '127.8.8.8', '::1', 'localhost'].map(isLoopback)).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(['0.0.0.0', '::', '10.0.0.1', '127.example'].map(isLoopback)).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });
});
