/** What an account has to set before it may do anything else. */
import { Button, Text } from '@mantine/core';
import { OwnPasswordForm } from '../account/own-password-form.tsx';
import { SecondFactorSetup } from '../account/second-factor-setup.tsx';
import type { Session } from '../api/schemas.ts';
import { checkSession, signOut } from './session.ts';
import { EntryCard } from './entry-card.tsx';

/** What an account has to set before it may do anything else. */
export function SetupPage({ session }: { readonly session: Session }) {
  const isPassword = session.setup === 'password';
  return (
    <EntryCard
      key={session.setup}
      title={isPassword ? 'Set a password of your own' : 'Set up a second factor'}
      takesFocus
    >
      <Text size="sm">
        {isPassword
          ? `The password of ${session.user ?? 'this account'} was set by somebody else: it opens nothing before you have chosen one that you alone know.`
          : 'Administrators of this coordinator sign in with a code of an authenticator beside the password.'}
      </Text>
      {isPassword ? (
        <OwnPasswordForm user={session.user ?? ''} isFirst onDone={() => undefined} />
      ) : (
        <SecondFactorSetup onDone={() => void checkSession()} />
      )}
      <Button variant="subtle" onClick={() => void signOut()}>
        Sign out
      </Button>
    </EntryCard>
  );
}
