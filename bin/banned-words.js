// The project's writing rules that a program can check. `not` and `use` are shown to people; docs/reference/glossary.md
// has them as a table, which `node bin/check-words.js --write` updates.

/** Stems that are written with `iz`, as in `normalize`. */
const IZE_STEMS =
  'categor|custom|discret|factor|general|initial|maxim|minim|normal|optim|organ|parallel|penal|quant|random|recogn|' +
  'regular|serial|standard|summar|symmetr|synchron|token|util|visual';
const BRITISH = [
  `(?:${IZE_STEMS})is(?:e|ed|er|es|ing|ation)`,
  'analys(?:e|ed|ing)',
  '(?:cancel|channel|label|level|model|signal|travel)l(?:ed|ing)',
  '(?:behavi|col|fav|hon|neighb)our\\w*',
  '(?:cent|fib)re[ds]?|centring',
  '(?:mis)?spelt|learnt|artefacts?|catalogued?|catalogues|grey|judgements?|licences?|whilst',
];

/** Words and phrases with their replacement; patterns are matched outside code, without regard to case. */
export const BANNED_WORDS = [
  {
    not: 'first weights, drawn weights',
    use: 'initial weights, randomly initialized weights',
    pattern: /\b(?:first|drawn) weights\b/,
  },
  {
    not: 'on train, of valid (nouns)',
    use: 'the training set, the validation set',
    pattern: /\b(?:on|of|from|while) (?:train|valid)(?=[.,;:)](?!\w)|$| (?:and|or|alone|is|are|was|were|has|no)\b)/,
  },
  { not: 'way forward, way back', use: 'forward pass, backward pass', pattern: /\bway (?:forward|back)\b/ },
  {
    not: 'what the optimizer keeps',
    use: 'optimizer state',
    pattern: /\bwhat (?:the|its|their|an) optimizers? (?:keeps?|holds?)\b/,
  },
  { not: 'a step is refused', use: 'a step is skipped', pattern: /\bsteps? (?:is|are|was|were) refused\b/ },
  { not: 'average of weights', use: 'exponential moving average (EMA)', pattern: /\baverages? of (?:the )?weights\b/ },
  { not: 'dealt out', use: 'sharded', pattern: /\bdealt\b/ },
  { not: "everyone's numbers", use: 'all-gather, all-reduce', pattern: /\beveryone's\b/ },
  {
    not: 'put in order',
    use: 'shuffle, gather; permutation',
    pattern: /\bputs? (?:\w+ )?in order\b/,
  },
  { not: 'go on with', use: 'resume, continue', pattern: /\b(?:go|goes|going|gone|went) on\b/ },
  { not: 'the same bits, to the bit', use: 'bitwise identical', pattern: /\bsame bits\b|\bto the bit\b/ },
  {
    not: 'where it is not given',
    use: 'default: X',
    pattern: /\bwhere (?:it|none|nothing|one) is (?:not )?(?:given|named|there)\b/,
  },
  {
    not: 'tell, say, know, want (of code)',
    use: 'report, print, log, warn; require',
    pattern: /\b(?:tells|told|says|said|knows|wants)\b/,
  },
  { not: 'notice', use: 'warning', pattern: /(?<!\b(?:third-party|hardly|barely|never|you|users) )\bnotices?\b/ },
  {
    not: 'behind, beside, anew',
    use: 'after, next to / besides, again',
    pattern:
      /(?<!\b(?:fall|falls|fell|lag|lags|left) )\bbehind\b(?! (?:a|an|the|your) (?:\w+ )?(?:proxy|balancer|firewall|ingress|flag))|\bbeside\b|\banew\b/,
  },
  { not: 'cell', use: 'value', pattern: /(?<!\btable )\bcells?\b/ },
  { not: 'whole number', use: 'integer', pattern: /\bwhole numbers?\b/ },
  { not: 'blank (of a value)', use: 'missing value (null)', pattern: /\bblanks?\b(?! lines?)/ },
  { not: 'bad row', use: 'invalid row', pattern: /\bbad rows?\b/ },
  { not: 'left out', use: 'dropped, excluded', pattern: /\bleft out\b/ },
  { not: 'the unknown', use: 'out-of-vocabulary (OOV) id', pattern: /\bthe unknown(?=[.,;:)]|$| (?:is|are|has|id)\b)/ },
  { not: 'deviation', use: 'standard deviation', pattern: /(?<!\bstandard )\bdeviations?\b/ },
  { not: 'room', use: 'memory, capacity, space', pattern: /\brooms?\b/ },
  { not: 'lies, stands', use: 'is stored, is located; is', pattern: /\b(?:lies|stands)\b/ },
  { not: 'filled up', use: 'padded', pattern: /\bfilled up\b/ },
  {
    not: 'on its way, ahead',
    use: 'in flight, prefetched',
    pattern: /\bon (?:its|their) way\b|(?<![-\w])ahead\b(?! of\b)/,
  },
  {
    not: 'meet, look for the others',
    use: 'synchronize at a barrier, spin',
    pattern: /\b(?:threads|ranks|processes) meet\b|\blook(?:s|ing)? for (?:the )?others\b/,
  },
  { not: 'is held to X', use: 'is tested against X', pattern: /\b(?:is|are|was|were|be|been) held to\b/ },
  { not: 'quiet / busy machine', use: 'idle / loaded machine', pattern: /\b(?:quiet|busy) machines?\b/ },
  { not: 'in turns', use: 'interleaved', pattern: /\bin turns\b/ },
  { not: 'crooked, mends', use: 'biased, corrects', pattern: /\bcrooked\b|\bmends?\b/ },
  { not: 'folder', use: 'directory', pattern: /\bfolders?\b/ },
  { not: 'pictures', use: 'charts, report', pattern: /\bpictures?\b/ },
  { not: 'some 1000', use: 'about 1,000', pattern: /\bsome \d/ },
  {
    not: 'a sixth less',
    use: '17% less',
    pattern: /\b(?:a|an) (?:third|fourth|fifth|sixth|seventh|eighth|ninth|tenth) (?:less|more|fewer)\b/,
  },
  { not: 'at the most, at the least', use: 'at most, at least', pattern: /\bat the (?:most|least)\b/ },
  {
    not: 'a line a task, rows a second',
    use: 'per X, for each X; rows/s',
    pattern:
      /\b(?:a|one) (?:line|row|file|step|thread|process|entry|event) an? (?!time\b)\w+|\b(?:rows|bytes|requests|steps|times) a (?:second|step)\b/,
  },
  { not: 'cure', use: 'fix', pattern: /\bcures?\b/ },
  {
    not: 'normalise, behaviour, labelled',
    use: 'American spelling: normalize, behavior, labeled',
    pattern: new RegExp(`\\b\\w*(?:${BRITISH.join('|')})\\b`),
  },
  { not: 'house, by heart, luck', use: 'the plain word', pattern: /\bhouse\b|\bby heart\b|\bluck\b/ },
];

/** Openings of a sentence that put the subject last; questions and 'By default' are fine. */
export const BANNED_OPENINGS = {
  not: 'What, Whether, Of, By, Where, The same (first word of a sentence)',
  use: 'the name of the thing',
  pattern: /(?<=^|[.!?:] )(?:What|Whether|Of|By(?! default\b)|Where|The same)\b(?![^.!]*\?)/,
};
