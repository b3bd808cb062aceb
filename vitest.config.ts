import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: {
    // A module imported from its source instead of the build is bound to Node's platform.
    alias: { "#platform": new URL("./host-ts/platform/node.ts", import.meta.url).pathname },
  },
  test: {
    include: ["test/**/*.{test,spec}.ts"],
    exclude: ["**/node_modules/**", "test/browser/**"],
    // The package is loaded by Node itself, from its build, as its users load it.
    server: { deps: { external: [/\/dist\//] } },
    pool: "forks",
    testTimeout: 30_000,
    hookTimeout: 30_000,
    reporters: process.env.CI ? ["default", "json"] : ["default"],
    outputFile: { json: "build/vitest.json" },
  },
});
