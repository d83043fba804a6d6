import { chosen } from '../config/spelling.js';
import { listExperiments } from '../experiments/list.js';
import { listSettings } from '../experiments/settings.js';
import { type Command, type CommandOption, type CommandTable, forPrograms } from './command.js';
import { globalOptions, oneWord } from './options.js';

/** What a shell offers at a place: words, or files where `files` is true. */
interface Offer {
  words: readonly string[];
  files: boolean;
  /** The words go on, as `train.epochs=` does: no space behind them. */
  open?: boolean;
}

/** A command as a shell knows it. */
interface Entry {
  path: string;
  summary: string;
  options: { name: string; help: string; value: Offer | null }[];
  /** What stands behind it. */
  words: Offer;
}

const files: Offer = { words: [], files: true };
const nothing: Offer = { words: [], files: false };

/** `FILE`, `DIR`, `OUT.tif`, `SCENE…`: a path. */
const isPath = (value: string): boolean => /FILE|DIR|FOLDER|CATALOG|SCENE|MASKS|\.\w+/.test(value);

const offerOf = (name: string, { value = '' }: CommandOption, settings: readonly string[]): Offer => {
  if (name === 'set') return { words: settings, files: false, open: true };
  if (/^[a-z]+(?:\|[A-Za-z]+)+$/.test(value))
    return { words: value.split('|').filter((word) => /^[a-z0-9]+$/.test(word)), files: false };
  return isPath(value) ? files : nothing;
};

const entries = async (commands: CommandTable): Promise<Entry[]> => {
  const paths = Object.keys(commands).filter((path) => !forPrograms.has(path));
  const listed = (await listExperiments()).filter(({ isPackaged }) => isPackaged);
  const named = (kind: string): Offer => ({
    words: listed.filter((one) => one.kind === kind).map(({ name }) => name),
    files: true,
  });
  const settings = [...new Set(listSettings().map(({ key }) => `${key}=`))];
  const places: Record<string, Offer> = {
    train: named('experiment'),
    sweep: named('sweep'),
    help: { words: [...new Set(paths.map((path) => path.split(' ')[0]))], files: false },
    completion: { words: shells, files: false },
    settings: { words: [...new Set(listSettings().map(({ key }) => key))], files: false },
  };
  return Promise.all(
    paths.map(async (path): Promise<Entry> => {
      const { command } = await commands[path]();
      const options = Object.entries({ ...command.options, ...globalOptions });
      return {
        path,
        summary: command.summary,
        options: options.map(([name, option]) => ({
          name,
          help: option.help,
          value: option.type === 'string' ? offerOf(name, option, settings) : null,
        })),
        words: places[path] ?? (command.words && isPath(command.words) ? files : nothing),
      };
    }),
  );
};

const groupsOf = (all: readonly Entry[]): Map<string, string[]> => {
  const groups = new Map<string, string[]>();
  for (const { path } of all) {
    const [first, second] = path.split(' ');
    const members = groups.get(first) ?? [];
    groups.set(first, second === undefined ? members : [...members, second]);
  }
  return groups;
};

const bashOffer = ({ words, files, open }: Offer): string =>
  [
    open ? 'compopt -o nospace 2>/dev/null' : '',
    words.length > 0 ? `_bandalign_words '${words.join(' ')}'` : '',
    files ? '_bandalign_files' : '',
  ]
    .filter(Boolean)
    .join('; ') || ':';

const bash = (all: readonly Entry[]): string => {
  const groups = groupsOf(all);
  const paired = [...groups].filter(([, members]) => members.length > 0);
  return `# bash completion of bandalign: eval "$(bandalign completion bash)"
_bandalign_words() { COMPREPLY+=($(compgen -W "$1" -- "$cur")); }
_bandalign_files() {
  local IFS=$'\\n'
  compopt -o filenames 2>/dev/null
  COMPREPLY+=($(compgen -f -- "$cur"))
}
_bandalign() {
  local cur prev path first second line
  COMPREPLY=()
  # words as they are typed: bash would break them at = and :
  line=\${COMP_LINE:0:COMP_POINT}
  local -a typed
  read -r -a typed <<< "$line"
  if [[ $line == *[[:space:]] ]]; then typed+=(''); fi
  local last=$((\${#typed[@]} - 1))
  if ((last < 1)); then return; fi
  cur=\${typed[last]} prev=\${typed[last - 1]} first=\${typed[1]} second=\${typed[2]:-}
  local whole=$cur
  if ((last == 1)); then
    _bandalign_words '${[...groups.keys(), '--help', '--version'].join(' ')}'
    return
  fi
  path=$first
  case "$first $second" in
${all
  .filter(({ path }) => path.includes(' '))
  .map(({ path }) => `    '${path}') path='${path}' ;;`)
  .join('\n')}
  esac
  if ((last == 2)); then
    case $first in
${paired.map(([first, members]) => `      ${first}) _bandalign_words '${members.join(' ')}' ;;`).join('\n')}
    esac
  elif [[ $path == *' '* ]] && ((last < 3)); then return; fi
  case $path in
${all
  .map(
    ({ path, options, words }) => `    '${path}')
      case $prev in
${options
  .filter(({ value }) => value !== null)
  .map(({ name, value }) => `        --${name}) ${bashOffer(value!)} ;;`)
  .join('\n')}
        *)
          if [[ $cur == -* ]]; then _bandalign_words '${options.map(({ name }) => `--${name}`).join(' ')}'
          else ${bashOffer(words)}; fi ;;
      esac ;;`,
  )
  .join('\n')}
  esac
  # readline replaces what stands behind the last = or : only
  if [[ $whole == *[=:]* && $COMP_WORDBREAKS == *=* ]]; then
    local head=\${whole%"\${whole##*[=:]}"} i
    for i in "\${!COMPREPLY[@]}"; do COMPREPLY[i]=\${COMPREPLY[i]#"$head"}; done
  fi
}
complete -F _bandalign bandalign
`;
};

/** Text within single quotes of zsh and fish. */
const quoted = (text: string): string => `'${text.replaceAll("'", '’')}'`;

const zshSpec = (text: string): string => text.replace(/[[\]:]/g, (sign) => `\\${sign}`);

const zshOffer = ({ words, files, open }: Offer): string => {
  const add = `compadd${open ? ' -S ""' : ''} -- ${words.join(' ')}`;
  if (words.length > 0 && files) return `{ ${add}; _files }`;
  if (words.length > 0) return `{ ${add} }`;
  return files ? '_files' : '_message value';
};

const zsh = (all: readonly Entry[]): string => {
  const groups = groupsOf(all);
  const summaryOf = (path: string): string => all.find((entry) => entry.path === path)?.summary ?? path;
  const described = (rows: readonly (readonly [string, string])[]): string =>
    rows.map(([name, help]) => `      ${quoted(`${name}:${help.replaceAll(':', ' –')}`)}`).join('\n');
  return `#compdef bandalign
# zsh completion of bandalign: eval "$(bandalign completion zsh)"
_bandalign() {
  local -a rows
  if ((CURRENT == 2)); then
    rows=(
${described([...groups].map(([first, members]) => [first, members.length > 0 && !all.some(({ path }) => path === first) ? members.join(', ') : summaryOf(first)]))}
    )
    _describe command rows
    return
  fi
  local named=$words[2] skip=1
  case "$words[2] $words[3]" in
${all
  .filter(({ path }) => path.includes(' '))
  .map(({ path }) => `    '${path}') named='${path}' skip=2 ;;`)
  .join('\n')}
  esac
  if ((CURRENT == 3)); then
    case $words[2] in
${[...groups]
  .filter(([, members]) => members.length > 0)
  .map(
    ([first, members]) => `      ${first}) rows=(
${described(members.map((second) => [second, summaryOf(`${first} ${second}`)]))}
      ); _describe command rows ;;`,
  )
  .join('\n')}
    esac
    skip=1
  fi
  shift skip words
  ((CURRENT -= skip))
  case $named in
${all
  .map(
    ({ path, options, words }) => `    '${path}') _arguments \\
${options.map(({ name, help, value }) => `      ${quoted(`*--${name}[${zshSpec(help)}]${value === null ? '' : `:value:${zshOffer(value)}`}`)} \\`).join('\n')}
      ${quoted(`*:word:${zshOffer(words)}`)} ;;`,
  )
  .join('\n')}
  esac
}
if [[ \${funcstack[1]} == _bandalign ]]; then _bandalign "$@"; else compdef _bandalign bandalign; fi
`;
};

const fish = (all: readonly Entry[]): string => {
  const groups = groupsOf(all);
  const lines = [
    '# fish completion of bandalign: bandalign completion fish | source',
    'complete -c bandalign -f',
  ];
  const isPlain = (path: string): boolean => all.some((entry) => entry.path === path);
  for (const [first, members] of groups) {
    const summary = all.find(({ path }) => path === first)?.summary ?? members.join(', ');
    lines.push(`complete -c bandalign -n __fish_use_subcommand -a ${first} -d ${quoted(summary)}`);
    for (const second of members) {
      const { summary: help } = all.find(({ path }) => path === `${first} ${second}`)!;
      const none = `not __fish_seen_subcommand_from ${members.join(' ')}`;
      lines.push(
        `complete -c bandalign -n '__fish_seen_subcommand_from ${first}; and ${none}' -a ${second} -d ${quoted(help)}`,
      );
    }
  }
  for (const { path, options, words } of all) {
    const [first, second] = path.split(' ');
    const others = (groups.get(first) ?? []).join(' ');
    const seen = `__fish_seen_subcommand_from ${first}`;
    const here =
      second !== undefined
        ? `${seen}; and __fish_seen_subcommand_from ${second}`
        : others !== '' && isPlain(first)
          ? `${seen}; and not __fish_seen_subcommand_from ${others}`
          : seen;
    const place = `complete -c bandalign -n '${here}'`;
    for (const { name, help, value } of options) {
      const wants = value === null ? '' : ` -r${value.files ? ' -F' : ' -f'}`;
      const offered = value && value.words.length > 0 ? ` -a '${value.words.join(' ')}'` : '';
      lines.push(`${place} -l ${name} -d ${quoted(help)}${wants}${offered}`);
    }
    if (words.words.length > 0) lines.push(`${place} -a '${words.words.join(' ')}'`);
    if (words.files) lines.push(`${place} -F`);
  }
  return `${lines.join('\n')}\n`;
};

const writers = { bash, zsh, fish };
const shells = Object.keys(writers) as (keyof typeof writers)[];

export const command: Command = {
  path: ['completion'],
  words: shells.join('|'),
  summary: 'print what teaches a shell to complete commands, options, experiments and settings',
  examples: [
    'completion bash > ~/.local/share/bash-completion/completions/bandalign',
    'completion zsh > ~/.zfunc/_bandalign',
    'completion fish > ~/.config/fish/completions/bandalign.fish',
  ],
  run: async (call) => {
    const shell = chosen('shell', oneWord(call, `shell: ${shells.join(', ')}`), shells);
    const script = writers[shell](await entries(call.commands));
    call.print(script.trimEnd());
    call.json({ shell, script });
  },
};
