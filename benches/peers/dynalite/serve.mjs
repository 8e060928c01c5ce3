#!/usr/bin/env node
// dynalite as it comes, behind a port of its own choosing, over files in a directory: `serve.mjs DIRECTORY`. Says in a line where it
// is and what it is, and ends with its standard input.
import { createRequire } from "node:module";
import dynalite from "dynalite";

const { version } = createRequire(import.meta.url)("dynalite/package.json");
const server = dynalite({ path: process.argv[2], createTableMs: 0 });
server.listen(0, "127.0.0.1", () => {
  const about = `dynalite ${version} on Node.js ${process.versions.node}: LevelDB, written without sync: its puts are not durable`;
  console.log(`127.0.0.1:${server.address().port} ${about}`);
});
process.stdin.on("end", () => process.exit(0)).resume();
