/**
 * One account and what can be done with it. It shows the account as it was when the window opened or as one's own acts left it,
 * so that what is sent is about what was looked at, and somebody else's change in between is told.
 */
import { Alert, Button, Group, Text } from '@mantine/core';
import { useEffect, useState } from 'react';
import { request } from '#api';
import { ApiError } from '../api/client.ts';
import { newPasswordSchema, userSchema, type User } from '../api/people-schemas.ts';
import { ActionButton, type Action } from '../common/action-button.tsx';
import { Ago } from '../common/ago.tsx';
import { Dialog, DialogButtons } from '../common/dialog.tsx';
import { Facts } from '../common/facts.tsx';
import { Waiting } from '../common/panel.tsx';
import { RoleDialog } from './role-dialog.tsx';
import { TemporaryPassword } from './temporary-password.tsx';
import { ChangedMeanwhile, changeUser, readUser, removeUser } from './user-commands.ts';

/** Runs what answers the account as it is afterwards, and keeps what is known of it up to date. */
type Around = (work: () => Promise<User>) => Promise<void>;

const suspend = (user: User, around: Around): Action => ({
  label: 'Suspend',
  title: `Suspend ${user.user}?`,
  explanation: 'Sessions and open pages of the account end at once; its API tokens wait.',
  verb: 'Suspend the account',
  reason: 'required',
  run: (reason) =>
    around(() =>
      changeUser(user, (path, ifVersion) =>
        request('POST', '/v1/users/{user}/suspend', userSchema, {
          path,
          body: { reason, ifVersion },
        }),
      ),
    ),
  done: `${user.user} is suspended.`,
});

const resume = (user: User, around: Around): Action => ({
  label: 'Let back in',
  title: `Let ${user.user} sign in again?`,
  explanation: 'With the password, the role and the API tokens that the account has.',
  verb: 'Let back in',
  reason: 'none',
  run: () =>
    around(() =>
      changeUser(user, (path, ifVersion) =>
        request('POST', '/v1/users/{user}/resume', userSchema, { path, body: { ifVersion } }),
      ),
    ),
  done: `${user.user} may sign in again.`,
});

const resetPassword = (
  user: User,
  around: Around,
  onPassword: (password: string) => void,
): Action => ({
  label: 'Reset the password',
  title: `Reset the password of ${user.user}?`,
  explanation:
    'The present one stops working and sessions of the account end. A temporary one is made and shown once.',
  verb: 'Make a temporary password',
  reason: 'none',
  run: () =>
    around(async () => {
      const made = await changeUser(user, (path, ifVersion) =>
        request('POST', '/v1/users/{user}/password', newPasswordSchema, {
          path,
          body: { ifVersion },
        }),
      );
      onPassword(made.temporaryPassword ?? '');
      return made.user;
    }),
  done: `${user.user} has a temporary password.`,
});

const removeSecondFactor = (user: User, around: Around): Action => ({
  label: 'Remove the second factor',
  title: `Remove the second factor of ${user.user}?`,
  explanation:
    'For somebody who has lost authenticator and recovery codes: make sure that it is them. The password alone signs in then; sessions of the account end.',
  verb: 'Remove the second factor',
  reason: 'none',
  isGrave: true,
  run: () =>
    around(() =>
      changeUser(user, (path, ifVersion) =>
        request('POST', '/v1/users/{user}/second-factor/remove', userSchema, {
          path,
          body: { ifVersion },
        }),
      ),
    ),
  done: `${user.user} has no second factor any more.`,
});

const remove = (user: User, around: Around, onRemoved: () => void): Action => ({
  label: 'Remove the account',
  title: `Remove ${user.user} for good?`,
  explanation:
    'The account goes with its sessions and API tokens. What it did stays in the audit log.',
  verb: 'Remove the account',
  reason: 'none',
  isGrave: true,
  run: () =>
    around(async () => {
      await removeUser(user);
      onRemoved();
      return user;
    }),
  done: `${user.user} is removed.`,
});

/** How somebody signs in. */
export function wayIn({ password, issuer }: User): string {
  if (password === 'none') return issuer ?? 'no way';
  return password === 'temporary' ? 'a temporary password' : 'a password';
}

function UserFacts({ user }: { readonly user: User }) {
  const { role, site, status, reason, hasSecondFactor, lastSignInAtMs, createdAtMs } = user;
  return (
    <Facts
      facts={[
        ['Role', site === null ? role : `${role} of ${site}`],
        ['State', reason === null ? status : `${status}: ${reason}`],
        ['Signs in with', wayIn(user)],
        ['Second factor', hasSecondFactor ? 'set' : 'none'],
        [
          'Last sign-in',
          lastSignInAtMs === null ? 'never' : <Ago key="in" timeMs={lastSignInAtMs} />,
        ],
        ['Made', <Ago key="made" timeMs={createdAtMs} />],
      ]}
    />
  );
}

function CloseButton({ onClose }: { readonly onClose: () => void }) {
  return (
    <DialogButtons>
      <Button variant="default" onClick={onClose}>
        Close
      </Button>
    </DialogButtons>
  );
}

/** One account and what can be done with it. */
export function UserDialog(props: { readonly name: string; readonly onClose: () => void }) {
  const { name, onClose } = props;
  const [user, setUser] = useState<User>();
  const [failure, setFailure] = useState<ApiError>();
  const [password, setPassword] = useState<string>();
  const [isChoosing, setIsChoosing] = useState(false);
  const around: Around = async (work) => {
    try {
      setUser(await work());
    } catch (error) {
      if (error instanceof ChangedMeanwhile && error.present !== undefined) setUser(error.present);
      throw error;
    }
  };
  useEffect(() => {
    // Read anew: the row of the table may be older than one's own last act.
    readUser(name).then(setUser, (error: unknown) => {
      if (!(error instanceof ApiError)) throw error;
      setFailure(error);
    });
  }, [name]);
  if (user === undefined) {
    return (
      <Dialog title={`Account ${name}`} onClose={onClose}>
        {failure === undefined ? (
          <Waiting error={undefined} />
        ) : (
          <Alert color="red" role="alert" title="The account cannot be shown">
            {failure.message}
          </Alert>
        )}
        <CloseButton onClose={onClose} />
      </Dialog>
    );
  }
  if (password !== undefined) {
    return (
      <Dialog title={`The password of ${name}`} onClose={onClose}>
        <TemporaryPassword user={name} password={password} onDone={onClose} />
      </Dialog>
    );
  }
  return (
    <Dialog title={`Account ${name}`} onClose={onClose}>
      <UserFacts user={user} />
      <Text size="xs" c="dimmed">
        Whatever changes an account ends its sessions at once.
      </Text>
      <Group gap="xs">
        <Button size="compact-sm" variant="default" onClick={() => setIsChoosing(true)}>
          Change the role
        </Button>
        <ActionButton
          action={user.status === 'active' ? suspend(user, around) : resume(user, around)}
        />
        {user.issuer === null && <ActionButton action={resetPassword(user, around, setPassword)} />}
        {user.hasSecondFactor && <ActionButton action={removeSecondFactor(user, around)} />}
        <ActionButton action={remove(user, around, onClose)} />
      </Group>
      <CloseButton onClose={onClose} />
      {isChoosing && (
        <RoleDialog user={user} around={around} onClose={() => setIsChoosing(false)} />
      )}
    </Dialog>
  );
}
