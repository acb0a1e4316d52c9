/** Which proxy an address goes through. */
import { isExcluded, parseProxy, proxyChoice, proxyName } from './proxy-settings.ts';

const target = new URL('https://coordinator.example.org/v1');

test.each([
  ['*', true],
  ['example.org', true],
  ['.example.org', true],
  ['*.example.org', true],
  ['coordinator.example.org', true],
  ['COORDINATOR.example.org:443', true],
  ['other.net, coordinator.example.org', true],
  ['other.net example.org', true],
  ['coordinator.example.org:8443', false],
  ['ample.org', false],
  ['example.com', false],
  ['', false],
  [',', false],
  ['.', false],
])('NO_PROXY=%s covers the coordinator: %s', (noProxy, isCovered) => {
  expect(isExcluded(target, noProxy)).toBe(isCovered);
});

test('addresses in numbers are compared as they are', () => {
  expect(isExcluded(new URL('https://[fd00::1]/'), 'fd00::1')).toBe(true);
  expect(isExcluded(new URL('https://[fd00::1]:8440/'), '[fd00::1]:8440')).toBe(true);
  expect(isExcluded(new URL('https://10.1.2.3/'), '10.1.2.3')).toBe(true);
  expect(isExcluded(new URL('https://110.1.2.3/'), '10.1.2.3')).toBe(false);
});

test('the environment counts by scheme, in either case, lower case first', () => {
  const choose = proxyChoice(undefined, {
    HTTPS_PROXY: 'http://upper:1',
    https_proxy: 'lower:3128',
    HTTP_PROXY: 'http://plain:2',
  });
  expect(choose(target)?.origin).toBe('http://lower:3128');
  expect(choose(new URL('http://coordinator.example.org'))?.origin).toBe('http://plain:2');
});

test('this very machine is never reached through a proxy of the environment, but through a configured one', () => {
  const environment = { HTTP_PROXY: 'http://proxy:1', HTTPS_PROXY: 'http://proxy:1' };
  for (const url of ['http://127.0.0.1:8440', 'http://localhost', 'https://[::1]:1'])
    expect(proxyChoice(undefined, environment)(new URL(url))).toBeNull();
  expect(proxyChoice('http://own:2', environment)(new URL('http://localhost'))?.host).toBe('own:2');
});

test('none switches the environment off', () => {
  expect(proxyChoice('none', { HTTPS_PROXY: 'http://proxy:1' })(target)).toBeNull();
});

test('neither a refusal nor a name for people shows the password', () => {
  for (const text of ['socks5://user:hunter2@proxy:1', 'http://user:hunter2@ bad']) {
    const refuse = () => parseProxy(text, 'HTTPS_PROXY');
    expect(refuse).toThrow(/^HTTPS_PROXY: expected the address of a proxy/);
    expect(refuse).not.toThrow(/hunter2/);
  }
  expect(proxyName(parseProxy('http://user:hunter2@proxy:3128', 'x'))).toBe('http://proxy:3128');
});
