/** API tokens: one's own, or for administrators those of everybody. */
import { Button, Stack, Text } from '@mantine/core';
import { useState } from 'react';
import { request } from '#api';
import { send } from '../api/client.ts';
import { tokensSchema, type Token } from '../api/people-schemas.ts';
import { useList } from '../api/resources.ts';
import { answerOfCommand } from '../api/schemas.ts';
import { ActionButton, type Action } from '../common/action-button.tsx';
import { Ago } from '../common/ago.tsx';
import { DataTable, type Column } from '../common/data-table.tsx';
import { Empty, Panel, Waiting } from '../common/panel.tsx';
import { useSession } from '../session/session.ts';
import { NewTokenDialog } from './new-token-dialog.tsx';

const revoke = ({ token, name }: Token): Action => ({
  label: 'Revoke',
  fullLabel: `Revoke ${name}`,
  title: `Revoke the token ${name}?`,
  explanation: `Whatever uses it (mark ${token}) is refused at once. This cannot be taken back.`,
  verb: 'Revoke it',
  reason: 'none',
  isGrave: true,
  run: () => send(request('DELETE', '/v1/tokens/{token}', answerOfCommand, { path: { token } })),
  done: `The token ${name} is revoked.`,
});

/** As many as the coordinator has at most: one's own are looked for among those of everybody. */
const tokensMax = 2000;

const ownColumns: readonly Column<Token>[] = [
  {
    label: 'Token',
    cell: ({ name, token }) => (
      <Stack gap={0}>
        <Text size="sm" fw={600}>
          {name}
        </Text>
        <Text size="xs" c="dimmed">{`mark ${token}`}</Text>
      </Stack>
    ),
  },
  { label: 'May', cell: ({ scopes }) => scopes.join(', ') },
  { label: 'Ends', cell: ({ expiresAtMs }) => <Ago timeMs={expiresAtMs} /> },
  {
    label: 'Last used',
    cell: ({ lastUsedAtMs }) => (lastUsedAtMs === null ? 'never' : <Ago timeMs={lastUsedAtMs} />),
  },
];
const ownerColumn: Column<Token> = {
  label: 'Of',
  cell: ({ owner }) => owner ?? "the administrator's token",
};
const buttonColumn: Column<Token> = {
  label: 'Change',
  align: 'right',
  cell: (token) => <ActionButton action={revoke(token)} />,
};

/** API tokens. `isEverybodys`: those of all accounts, to be looked through. */
export function TokensPanel({ isEverybodys = false }: { readonly isEverybodys?: boolean }) {
  const { data, error } = useList(
    (query) => request('GET', '/v1/tokens', tokensSchema, { query }),
    (answer) => answer.tokens,
    [],
    tokensMax,
  );
  const user = useSession()?.user ?? null;
  const [isMaking, setIsMaking] = useState(false);
  const rows = data?.items.filter(({ owner }) => isEverybodys || owner === user);
  const title = isEverybodys ? 'API tokens of everybody' : 'API tokens';
  return (
    <Panel
      title={title}
      aside={
        !isEverybodys && (
          <Button size="compact-sm" variant="default" onClick={() => setIsMaking(true)}>
            Make a token
          </Button>
        )
      }
    >
      {rows === undefined ? (
        <Waiting error={error} />
      ) : rows.length === 0 ? (
        <Empty>None. A program signs in with one; it can do no more than its maker.</Empty>
      ) : (
        <DataTable
          name={title}
          columns={[...ownColumns, ...(isEverybodys ? [ownerColumn] : []), buttonColumn]}
          rows={rows}
          keyOf={({ token }) => token}
        />
      )}
      {isMaking && <NewTokenDialog onClose={() => setIsMaking(false)} />}
    </Panel>
  );
}
