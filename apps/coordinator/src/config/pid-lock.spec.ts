import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { takePidLock, thisHolder } from './pid-lock.ts';

describe('the lock of a data folder', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'melo-lock-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });
  const write = (holder: object): void => {
    writeFileSync(join(folder, 'coordinator.lock'), JSON.stringify({ ...thisHolder(), ...holder }));
  };
  const refused = expect.objectContaining({ code: 'DATA_FOLDER_LOCKED' });

  test('is not given twice, and again once released', () => {
    const lock = takePidLock(folder);
    expect(() => takePidLock(folder)).toThrow(refused);
    lock.release();
    takePidLock(folder).release();
    expect(readdirSync(folder)).toEqual([]);
  });

  test('of a dead process is taken over', () => {
    write({ pid: 2 ** 22 + 1 }); // above the largest process id of Linux
    takePidLock(folder).release();
  });

  test('of a process whose id another one has now is taken over', () => {
    write({ startTime: '1' });
    takePidLock(folder).release();
  });

  test('of an earlier boot is taken over', () => {
    write({ boot: '00000000-0000-0000-0000-000000000000' });
    takePidLock(folder).release();
  });

  test('of another machine is respected while it is touched, and taken over later', () => {
    write({ host: 'elsewhere.example' });
    expect(() => takePidLock(folder)).toThrow(refused);
    const twoMinutesAgo = new Date(Date.now() - 120_000);
    utimesSync(join(folder, 'coordinator.lock'), twoMinutesAgo, twoMinutesAgo);
    takePidLock(folder).release();
  });

  test('with content that is not ours is never removed', () => {
    writeFileSync(join(folder, 'coordinator.lock'), 'something else');
    expect(() => takePidLock(folder)).toThrow(refused);
    expect(readdirSync(folder)).toEqual(['coordinator.lock']);
  });

  test('is left alone while another process takes it over', () => {
    write({ pid: 2 ** 22 + 1 });
    writeFileSync(join(folder, 'coordinator.lock.takeover'), '');
    expect(() => takePidLock(folder)).toThrow(refused);
  });

  test('removed by somebody while it is held is made again', () => {
    const lock = takePidLock(folder);
    rmSync(join(folder, 'coordinator.lock'));
    lock.touch();
    expect(() => takePidLock(folder)).toThrow(refused);
    lock.release();
  });

  test('taken by another process after that is neither touched nor removed', () => {
    const lock = takePidLock(folder);
    write({ pid: 1 });
    expect(() => {
      lock.touch();
    }).toThrow(refused);
    lock.release();
    expect(readdirSync(folder)).toEqual(['coordinator.lock']);
  });
});
