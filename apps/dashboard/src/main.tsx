/** Entry of the dashboard. */
import '@mantine/core/styles.css';
import './styles.css';
import './shell.css';
import './parts.css';
import { MantineProvider } from '@mantine/core';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { noteActivity, watchActivity } from './api/activity.ts';
import { App } from './app.tsx';
import { takeArrival } from './session/session.ts';
import { cssVariables, theme } from './theme.ts';

/** The nonce of this response: style sheets that the library makes carry it, others are refused. */
function styleNonce(): string {
  const meta = document.querySelector('meta[property="csp-nonce"]');
  return meta instanceof HTMLElement ? meta.nonce : '';
}

const arrival = takeArrival();
noteActivity(); // opening the page is a person's doing
watchActivity();

const root = document.getElementById('root');
if (root === null) throw new Error('index.html: expected an element with the id root');
createRoot(root).render(
  <StrictMode>
    <MantineProvider
      theme={theme}
      cssVariablesResolver={cssVariables}
      defaultColorScheme="auto"
      getStyleNonce={styleNonce}
    >
      <App arrival={arrival} />
    </MantineProvider>
  </StrictMode>,
);
