/** Where whoever is signed in is signed in. */
import { request } from '#api';
import { useFresh } from '../api/resources.ts';
import { sessionsSchema, type OwnSession } from '../api/people-schemas.ts';
import { ActionButton, type Action } from '../common/action-button.tsx';
import { Ago } from '../common/ago.tsx';
import { DataTable, type Column } from '../common/data-table.tsx';
import { Panel, Waiting } from '../common/panel.tsx';
import { signOut } from '../session/session.ts';

const columns: readonly Column<OwnSession>[] = [
  { label: 'Session', cell: ({ isCurrent }) => (isCurrent ? 'this one' : 'another browser') },
  { label: 'Begun', cell: ({ begunAtMs }) => <Ago timeMs={begunAtMs} /> },
  { label: 'Ends at the latest', cell: ({ expiresAtMs }) => <Ago timeMs={expiresAtMs} /> },
];

const everywhere: Action = {
  label: 'Sign out everywhere',
  title: 'Sign out everywhere?',
  explanation: 'Every session of yours ends at once, this one too. API tokens stay.',
  verb: 'Sign out everywhere',
  reason: 'none',
  run: () => signOut('everywhere'),
  done: 'You are signed out everywhere.',
};

/** Where whoever is signed in is signed in. */
export function SessionsPanel() {
  const { data, error } = useFresh(request('GET', '/v1/sessions', sessionsSchema), []);
  return (
    <Panel title="Sessions" aside={<ActionButton action={everywhere} />}>
      {data === undefined ? (
        <Waiting error={error} />
      ) : (
        <DataTable
          name="Sessions"
          columns={columns}
          rows={data.sessions}
          keyOf={({ begunAtMs, isCurrent }) => `${begunAtMs} ${isCurrent}`}
        />
      )}
    </Panel>
  );
}
