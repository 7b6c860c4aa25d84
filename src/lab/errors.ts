/** What went wrong in the lab in one line, and in `hint` what the reader can do about it. */
export class LabError extends Error {
  readonly hint: string;

  constructor(message: string, hint: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LabError';
    this.hint = hint;
  }
}
