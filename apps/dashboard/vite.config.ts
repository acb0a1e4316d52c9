/** How the page is built: into what the coordinator serves, with a place for the nonce of each response. */
import path from 'node:path';
import { defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  base: '/',
  oxc: { jsx: { runtime: 'automatic' } },
  // The page is bundled from sources: the name in package.json would lead to what another compiler makes of them.
  resolve: { alias: { '#api': path.join(import.meta.dirname, '../../libs/api/src/index.ts') } },
  html: { cspNonce: 'MELO_CSP_NONCE' },
  build: {
    outDir: '../../dist/apps/dashboard',
    emptyOutDir: true,
    target: 'es2023',
    // A file within a file would need a wider policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1500,
    rolldownOptions: {
      onLog(level, log, handle) {
        // "use client" is a word to another kind of build.
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') handle(level, log);
      },
    },
  },
});
