/** The account of whoever is signed in: password, second factor, sessions, API tokens. */
import { Button, SimpleGrid, Text } from '@mantine/core';
import { useState } from 'react';
import { request } from '#api';
import { accountSchema, type Account } from '../api/people-schemas.ts';
import { useFresh } from '../api/resources.ts';
import type { Session } from '../api/schemas.ts';
import { Ago } from '../common/ago.tsx';
import { Dialog } from '../common/dialog.tsx';
import { Facts } from '../common/facts.tsx';
import { LinkButton } from '../common/link.tsx';
import { PageTitle } from '../common/page-title.tsx';
import { Panel, Waiting } from '../common/panel.tsx';
import { useSession } from '../session/session.ts';
import { OwnPasswordForm } from './own-password-form.tsx';
import { SecondFactorPanel } from './second-factor-panel.tsx';
import { SessionsPanel } from './sessions-panel.tsx';
import { TokensPanel } from './tokens-panel.tsx';

function PasswordDialog(props: { readonly user: string; readonly onClose: () => void }) {
  return (
    <Dialog title="Change your password" onClose={props.onClose}>
      <Text size="sm">Your other sessions end. API tokens stay.</Text>
      <OwnPasswordForm user={props.user} onDone={props.onClose} onCancel={props.onClose} />
    </Dialog>
  );
}

function Person({ account }: { readonly account: Account }) {
  const { user, role, site, createdAtMs, issuer, password } = account;
  const [isChanging, setIsChanging] = useState(false);
  return (
    <Panel
      title="You"
      aside={
        password !== 'none' && (
          <Button size="compact-sm" variant="default" onClick={() => setIsChanging(true)}>
            Change your password
          </Button>
        )
      }
    >
      <Facts
        facts={[
          ['Name', user],
          ['Role', site === null ? role : `${role} of ${site}`],
          ['Account made', <Ago key="made" timeMs={createdAtMs} />],
          ['Signs in with', password === 'none' ? (issuer ?? 'nothing') : 'a password'],
        ]}
      />
      {isChanging && <PasswordDialog user={user} onClose={() => setIsChanging(false)} />}
    </Panel>
  );
}

function OwnAccount() {
  const { data, error } = useFresh(request('GET', '/v1/account', accountSchema), []);
  if (data === undefined) return <Waiting error={error} />;
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
      <Person account={data} />
      {data.password !== 'none' && <SecondFactorPanel account={data} />}
    </SimpleGrid>
  );
}

/** The token of the coordinator's first start is no person. */
function NoAccount() {
  return (
    <Panel title="No account">
      <Text size="sm" mb="sm">
        You came in by the administrator&apos;s token, or by a link that was made with it: the audit
        log cannot say who you are. Make an account for every person, yours first.
      </Text>
      <LinkButton to={{ page: 'users' }}>To the users</LinkButton>
    </Panel>
  );
}

const describe = ({ user, role, site }: Session): string =>
  `${user ?? "The administrator's token"}, ${site === null ? role : `${role} of ${site}`}`;

/** The account of whoever is signed in. */
export function AccountPage() {
  const session = useSession();
  if (session === undefined) return null;
  return (
    <>
      <PageTitle title="Account" note={describe(session)} />
      {session.user === null ? <NoAccount /> : <OwnAccount />}
      <SessionsPanel />
      <TokensPanel />
    </>
  );
}
