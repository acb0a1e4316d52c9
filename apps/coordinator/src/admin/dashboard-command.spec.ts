import { Command } from 'commander';
import { registerAdminCommands } from './admin.command.ts';
import type { AdminEnvironment } from './admin-environment.ts';

const link = { url: `http://127.0.0.1:8440/#signin=${'A'.repeat(43)}`, expiresAtMs: 1_300_000 };

/** Run the command and return what it printed and told. */
async function run(...commandArguments: string[]) {
  const seen = { printed: '', told: '', asked: '' };
  const environment: AdminEnvironment = {
    fetch: async (input) => {
      const request = new Request(input);
      seen.asked = `${request.method} ${new URL(request.url).pathname}`;
      return new Response(JSON.stringify(link), { status: 201 });
    },
    variables: {},
    nowMs: () => 1_000_000,
    readText: async () => 'a-token-of-thirty-two-characters',
    makeFolder: () => Promise.resolve(),
    doesExist: async () => false,
    writeWhole: async () => {},
    receive: async () => 0,
    print: (line) => {
      seen.printed += line;
    },
    tell: (line) => {
      seen.told += line;
    },
    ask: async () => undefined,
    askSecret: async () => '',
    setExitCode: () => {},
  };
  const program = new Command().exitOverride();
  registerAdminCommands(program, environment);
  await program.parseAsync(['node', 'melo', 'admin', 'dashboard', ...commandArguments]);
  return seen;
}

describe('melo admin dashboard', () => {
  test('prints the link alone on standard output, and until when it works beside it', async () => {
    const { printed, told, asked } = await run();
    expect(asked).toBe('POST /v1/sign-in-links');
    expect(printed).toBe(link.url);
    expect(told).toContain('works once');
    expect(told).not.toContain('signin');
  });

  test('--json prints the answer', async () => {
    expect(JSON.parse((await run('--json')).printed)).toEqual(link);
  });
});
