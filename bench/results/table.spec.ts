import { remainingText, renderSection, renderTable, replaceSection } from './table.ts';

const table = {
  title: 'A table',
  command: 'npm run results -- a',
  columns: ['seed', 'value'],
  rows: [
    [1, '0.5'],
    [2, 'a|b'],
  ],
  notes: ['A note.'],
};
const made = { machine: { cores: 2, cpu: 'a CPU', node: '24.0.0', gpu: null }, date: '2026-01-02' };

describe('docs/results.md', () => {
  test('a table is Markdown with its columns aligned and its bars escaped', () => {
    expect(renderTable(table)).toBe(
      ['| seed | value |', '| ---- | ----- |', '| 1    | 0.5   |', '| 2    | a\\|b  |'].join('\n'),
    );
  });

  test('a section says how, where and when it was made', () => {
    const section = renderSection('a', table, made);
    expect(section).toContain('## A table');
    expect(section).toContain('A note.');
    expect(section).toContain('`npm run results -- a` on 2026-01-02: 2 cores, a CPU, Node 24.0.0.');
    const machine = { ...made.machine, gpu: 'card with driver 1.2' };
    expect(renderSection('a', table, { ...made, machine })).toContain(
      'Node 24.0.0, trained on one card with driver 1.2.',
    );
  });

  test('a section replaces itself alone; the first makes the page', () => {
    const first = replaceSection(undefined, 'a', renderSection('a', table, made));
    const both = replaceSection(first, 'b', renderSection('b', { ...table, title: 'Other' }, made));
    const again = replaceSection(both, 'a', renderSection('a', { ...table, title: 'New' }, made));
    expect(first).toMatch(/^# Results\n/);
    expect(again).toContain('## Other');
    expect(again).toContain('## New');
    expect(again).not.toContain('## A table');
    expect(replaceSection(again, 'a', renderSection('a', table, made))).toBe(both);
  });

  test('what is left is told from the share that is done', () => {
    expect(remainingText(0, 10_000, 0)).toBe('time left not known yet');
    expect(remainingText(0, 10_000, 0.5)).toBe('about 10 s left');
    expect(remainingText(0, 60_000, 0.25)).toBe('about 3 min left');
  });
});
