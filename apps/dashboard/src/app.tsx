/** The page: signed in or not. */
import { useEffect, useState } from 'react';
import { live } from './api/live.ts';
import type { Session } from './api/schemas.ts';
import { onSignedOut } from './api/resource.ts';
import { Pages } from './pages.tsx';
import { SessionContext } from './session/may-command.ts';
import { Shell } from './shell.tsx';
import { SignIn } from './session/sign-in.tsx';
import { beginSession, type SessionState } from './session/session.ts';

const endedNotice = 'Your session has ended. Sign in again.';

/** The page. `secret` is that of a sign-in link. */
export function App({ secret }: { readonly secret: string | undefined }) {
  const [state, setState] = useState<SessionState>({ kind: 'unknown' });
  const isSignedIn = state.kind === 'signed-in';

  useEffect(() => {
    void beginSession(secret).then(setState);
  }, [secret]);

  useEffect(() => {
    if (!isSignedIn) return;
    live.start();
    const stopListening = onSignedOut(() => {
      setState({ kind: 'signed-out', notice: endedNotice });
    });
    return () => {
      stopListening();
      live.stop();
    };
  }, [isSignedIn]);

  if (state.kind === 'unknown') return null;
  if (state.kind === 'signed-out') {
    const onSignedIn = (session: Session): void => setState({ kind: 'signed-in', session });
    return <SignIn notice={state.notice} onSignedIn={onSignedIn} />;
  }
  return (
    <SessionContext value={state.session}>
      <Shell session={state.session} onSignedOut={() => setState({ kind: 'signed-out' })}>
        <Pages />
      </Shell>
    </SessionContext>
  );
}
