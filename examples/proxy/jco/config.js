// wasi:config/store for `jco serve`, which has none: the settings are the environment's ROSTER_* variables.

const settings = new Map(
  Object.entries(process.env)
    .filter(([name]) => name.startsWith('ROSTER_'))
    .map(([name, value]) => [name.slice('ROSTER_'.length).toLowerCase(), value]),
);

export const get = (key) => settings.get(key);
export const getAll = () => [...settings];
