/** What is said once a coordinator listens. */
import { startText } from './start-text.ts';

const coordinator = { url: 'http://127.0.0.1:8440', tokenFile: '/data/token' };

test('names the page and the command that signs a browser in', () => {
  const text = startText({ ...coordinator, dashboardUrl: 'https://melo.example.org/' }, 7);
  expect(text).toContain('kept for 7 days');
  expect(text).toContain('The dashboard is at https://melo.example.org/;');
  expect(text).toContain(
    'melo admin dashboard --url http://127.0.0.1:8440 --token-file /data/token\n',
  );
});

test('says how to build a page that is not there', () => {
  const text = startText({ ...coordinator, dashboardUrl: null }, 0);
  expect(text).toContain('npm run build');
  expect(text).toContain('erased as soon as it settles');
  expect(text).not.toContain('melo admin dashboard');
});
