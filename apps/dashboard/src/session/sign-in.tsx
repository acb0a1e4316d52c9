/** Sign-in: by name and password, by an identity provider, or with a token; a link signs in before this is shown. */
import { Alert, Button, Code, Divider, PasswordInput, Stack, Text, TextInput } from '@mantine/core';
import { useEffect, useState, type SyntheticEvent } from 'react';
import { request, targetOf } from '#api';
import { ApiError, send } from '../api/client.ts';
import { providersSchema, type Provider } from '../api/people-schemas.ts';
import { sessionSchema } from '../api/schemas.ts';
import { useRun } from '../common/use-run.ts';
import { formatSpan } from '../common/format.ts';
import { serverNowMs } from '../common/server-time.ts';
import { useNowMs } from '../common/use-now.ts';
import { addressOf, type Place } from '../places.ts';
import { usePlace } from '../router.ts';
import { EntryCard } from './entry-card.tsx';
import { noteSignedIn } from './session.ts';
import { passwordFailure } from './sign-in-texts.ts';

/** Too many tries have failed: how long is left, counted down. */
function Wait({ untilMs }: { readonly untilMs: number }) {
  const leftMs = untilMs - useNowMs();
  return (
    <Alert color="yellow" role="alert" title="Too many tries have failed">
      {leftMs > 0 ? `Try again in ${formatSpan(leftMs + 999)}.` : 'Try again now.'}
    </Alert>
  );
}

function CodeField(props: { readonly code: string; readonly onChange: (code: string) => void }) {
  return (
    <TextInput
      label="Code"
      description="The six digits that your authenticator shows now, or one of your recovery codes."
      autoComplete="one-time-code"
      autoFocus
      required
      maxLength={64}
      spellCheck={false}
      value={props.code}
      onChange={(event) => props.onChange(event.currentTarget.value)}
    />
  );
}

/** Name and password, then a code where the account has a second factor. */
function PasswordForm() {
  const [user, setUser] = useState('');
  const [password, setPassword] = useState('');
  const [code, setCode] = useState<string>();
  const [waitUntilMs, setWaitUntilMs] = useState<number>();
  const { isBusy, failure, run } = useRun((error) => passwordFailure(error, code !== undefined));
  const signIn = async (): Promise<void> => {
    setWaitUntilMs(undefined);
    const body = { user, password, ...(code === undefined ? {} : { code: code.trim() }) };
    try {
      noteSignedIn(await send(request('POST', '/v1/sessions', sessionSchema, { body })));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.code === 'SECOND_FACTOR_REQUIRED') setCode('');
      else if (error.retryAfterSeconds !== null) {
        setWaitUntilMs(serverNowMs() + 1000 * error.retryAfterSeconds);
      } else throw error;
    }
  };
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    run(signIn);
  };
  const isWhole = user.trim() !== '' && password !== '' && code?.trim() !== '';
  return (
    <form onSubmit={submit}>
      <Stack>
        {code === undefined ? (
          <>
            <TextInput
              label="Name"
              autoComplete="username"
              autoCapitalize="none"
              spellCheck={false}
              required
              maxLength={64}
              value={user}
              onChange={(event) => setUser(event.currentTarget.value)}
            />
            <PasswordInput
              label="Password"
              autoComplete="current-password"
              required
              maxLength={256}
              value={password}
              onChange={(event) => setPassword(event.currentTarget.value)}
            />
          </>
        ) : (
          <CodeField code={code} onChange={setCode} />
        )}
        {failure !== undefined && (
          <Alert color="red" role="alert">
            {failure}
          </Alert>
        )}
        {waitUntilMs !== undefined && <Wait untilMs={waitUntilMs} />}
        <Button type="submit" loading={isBusy} disabled={!isWhole}>
          Sign in
        </Button>
        {code !== undefined && (
          <Button variant="default" onClick={() => setCode(undefined)}>
            Another name
          </Button>
        )}
      </Stack>
    </form>
  );
}

/** A button for whoever vouches for people elsewhere; none where there is nobody, or where that is not known. */
/** Where a provider's sign-in begins; it ends at the place that was asked for. */
function beginPath(provider: string, place: Place): string | undefined {
  const to = addressOf(place).slice(1); // without its #
  return targetOf('/v1/sign-in-providers/{provider}/begin', {
    path: { provider },
    query: to === '/' ? {} : { place: to },
  });
}

function Providers() {
  const place = usePlace();
  const [providers, setProviders] = useState<readonly Provider[]>([]);
  useEffect(() => {
    send(request('GET', '/v1/sign-in-providers', providersSchema)).then(
      (answer) => setProviders(answer.providers),
      () => undefined, // the other ways in are there
    );
  }, []);
  if (providers.length === 0) return null;
  return (
    <Stack gap="xs">
      <Divider label="or" />
      {providers.map(({ provider, label }) => (
        <Button key={provider} component="a" variant="default" href={beginPath(provider, place)}>
          {label}
        </Button>
      ))}
    </Stack>
  );
}

function TokenForm() {
  const [token, setToken] = useState('');
  const { isBusy, failure, run } = useRun((error) =>
    error.isSignedOut ? 'This token is not valid, or it has expired.' : error.message,
  );
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    run(async () => {
      const body = { token: token.trim() };
      noteSignedIn(await send(request('POST', '/v1/sessions', sessionSchema, { body })));
    });
  };
  return (
    <form onSubmit={submit}>
      <Stack mt="sm">
        <PasswordInput
          label="Token"
          description={
            <>
              The administrator&apos;s token is in <Code>administrator.token</Code> in the
              coordinator&apos;s data folder.
            </>
          }
          autoComplete="off"
          required
          value={token}
          onChange={(event) => setToken(event.currentTarget.value)}
          error={failure}
        />
        <Button type="submit" variant="default" loading={isBusy} disabled={token.trim() === ''}>
          Sign in with the token
        </Button>
      </Stack>
    </form>
  );
}

/** Sign-in. `notice` says why it is asked for. */
export function SignIn({ notice }: { readonly notice: string | undefined }) {
  return (
    <EntryCard title="Sign in">
      {notice !== undefined && <Alert color="yellow">{notice}</Alert>}
      <PasswordForm />
      <Providers />
      <details>
        <summary>Sign in with a token</summary>
        <TokenForm />
      </details>
      <Text size="xs" c="dimmed">
        Accounts are made by an administrator, on the page Users or with{' '}
        <Code>melo admin users create</Code>.
      </Text>
    </EntryCard>
  );
}
