import { secretText, signedHeaders } from './signature.ts';

/** The example of the specification's own libraries: https://github.com/standard-webhooks/standard-webhooks */
describe('a signature', () => {
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
  const bytes = Buffer.from(secret.slice('whsec_'.length), 'base64');

  test('is the one that the libraries of Standard Webhooks make', () => {
    const id = 'msg_p5jXN8AQM9LWM0D4loKWxJek';
    const headers = signedHeaders(bytes, {
      id,
      atMs: 1_614_265_330_999,
      body: '{"test": 2432232314}',
    });
    expect(headers).toEqual({
      'webhook-id': id,
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    });
  });

  test('goes with a secret that is told in their form', () => {
    expect(secretText(bytes)).toBe(secret);
  });
});
