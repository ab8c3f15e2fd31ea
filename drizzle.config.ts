import { defineConfig } from 'drizzle-kit'

/** Generates the SQL of our own tables into `drizzle/`: `npm run generate -- --name what-changed`. */
export default defineConfig({ dialect: 'postgresql', schema: './src/event-log/schema.ts', out: './drizzle' })
