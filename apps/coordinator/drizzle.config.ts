import { defineConfig } from 'drizzle-kit';

export default defineConfig({
  dialect: 'postgresql',
  schema: './apps/coordinator/src/config/schema.ts',
  out: './apps/coordinator/migrations',
});
