import type { AuditFilters } from '../places.ts';
import { auditRequest } from './audit-query.ts';

const queryOf = (filters: AuditFilters) => {
  const { target = '' } = auditRequest(filters, { limit: 50, cursor: undefined });
  return Object.fromEntries(new URL(target, 'http://localhost').searchParams);
};

test('without filters the newest are asked for', () => {
  expect(queryOf({})).toEqual({ order: 'newest', limit: '50' });
});

test('filters go as they are, days as the whole of them', () => {
  const filters = { actor: 'site:north', action: 'round.*', from: '2026-11-26', to: '2026-11-27' };
  const query = queryOf(filters);
  expect(query).toMatchObject({ actor: 'site:north', action: 'round.*' });
  expect(Number(query['since'])).toBe(new Date(2026, 10, 26).getTime());
  expect(Number(query['until'])).toBe(new Date(2026, 10, 27, 23, 59, 59, 999).getTime());
});

test.each(['yesterday', '2026-99-99x', ''])('%j is no day and asks for none', (from) => {
  expect(queryOf({ from })).not.toHaveProperty('since');
});
