/** The page: signed in or not. */
import { useEffect } from 'react';
import { live } from './api/live.ts';
import { onSignedOut } from './api/resource.ts';
import { Pages } from './pages.tsx';
import { beginSession, checkSession, useSessionState, type Arrival } from './session/session.ts';
import { SetupPage } from './session/setup-page.tsx';
import { SignIn } from './session/sign-in.tsx';
import { Shell } from './shell.tsx';

/** The page. `arrival` is what the address brought along. */
export function App({ arrival }: { readonly arrival: Arrival }) {
  const state = useSessionState();
  const isReady = state.kind === 'signed-in' && state.session.setup === null;

  useEffect(() => {
    void beginSession(arrival);
  }, [arrival]);

  useEffect(() => {
    if (!isReady) return;
    live.start();
    const stopListening = onSignedOut(() => void checkSession());
    return () => {
      stopListening();
      live.stop();
    };
  }, [isReady]);

  if (state.kind === 'unknown') return null;
  if (state.kind === 'signed-out') return <SignIn notice={state.notice} />;
  if (state.session.setup !== null) return <SetupPage session={state.session} />;
  return (
    <Shell session={state.session}>
      <Pages />
    </Shell>
  );
}
