/**
 * Asks whoever runs the notebook for a line of text and waits for it. Throws where nobody can be asked, as in
 * `bandalign notebook run` and nbconvert.
 * @param message shown before the field
 * @param initial the answer to an empty line
 */
declare function prompt(message?: string, initial?: string): string;
