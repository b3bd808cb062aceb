// The package under test, from this checkout's build.
import { existsSync } from "node:fs";

const entry = (name) => new URL(`../../dist/${name}.js`, import.meta.url);

/** Whether there is a build to measure. */
export const built = () => existsSync(entry("index")) && existsSync(entry("traps"));

export const machIpc = () => import(entry("index"));
export const mig = () => import(entry("mig"));
export const machTraps = () => import(entry("traps"));

/** `module`: another kernel than the shipped one; `maximumBytes`: another size of its memory than the default. */
export const boot = async (module, maximumBytes) => {
  const options = { ...(module && { module }), ...(maximumBytes && { maximumBytes }) };
  return (await machIpc()).Kernel.boot(options);
};
export const join = async () => (await machIpc()).Task.self();
