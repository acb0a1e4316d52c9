/** Sign-in with a token; a link signs in before this is shown. */
import {
  Alert,
  Button,
  Center,
  Code,
  Paper,
  PasswordInput,
  Stack,
  Text,
  Title,
} from '@mantine/core';
import { useState, type SyntheticEvent } from 'react';
import { ApiError, command } from '../api/client.ts';
import { sessionSchema, type Session } from '../api/schemas.ts';
import { Mark } from '../common/mark.tsx';

/** Sign-in with a token. `notice` says why it is asked for. */
export function SignIn(props: {
  readonly notice: string | undefined;
  readonly onSignedIn: (session: Session) => void;
}) {
  const [token, setToken] = useState('');
  const [failure, setFailure] = useState<string>();
  const [isBusy, setIsBusy] = useState(false);

  const signIn = async (): Promise<void> => {
    setIsBusy(true);
    setFailure(undefined);
    try {
      props.onSignedIn(
        await command('POST', '/v1/sessions', sessionSchema, { token: token.trim() }),
      );
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setFailure(error.isSignedOut ? 'This token is not valid, or it has expired.' : error.message);
    } finally {
      setIsBusy(false);
    }
  };
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    void signIn();
  };

  return (
    <Center mih="100vh" p="md" component="main">
      <Paper className="panel" withBorder radius="md" p="xl" w="100%" maw={440}>
        <form onSubmit={submit}>
          <Stack>
            <Mark />
            <Title order={1} size="h3">
              Sign in
            </Title>
            {props.notice !== undefined && <Alert color="yellow">{props.notice}</Alert>}
            <PasswordInput
              label="Token"
              description="The administrator's token that the coordinator wrote at its first start."
              autoComplete="current-password"
              required
              value={token}
              onChange={(event) => setToken(event.currentTarget.value)}
              error={failure}
            />
            <Button type="submit" loading={isBusy} disabled={token.trim() === ''}>
              Sign in
            </Button>
            <Text size="xs" c="dimmed">
              It is in <Code>administrator.token</Code> in the coordinator&apos;s data folder.
            </Text>
          </Stack>
        </form>
      </Paper>
    </Center>
  );
}
