import { describe, expect, it } from 'vitest';
import { parseMirrors, renderSources } from './apt.ts';

const stanzas = `Types: deb
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://mirror.example/security
Suites: bookworm-security
Components: main
`;

describe('the mirrors of a machine', () => {
  it('are found in stanzas', () => {
    const expected = { archive: 'http://mirror.example/debian', security: 'http://mirror.example/security' };
    expect(parseMirrors(['', stanzas], 'bookworm')).toEqual(expected);
  });

  it('are found in one-line entries, options and comments included', () => {
    const text =
      '# deb http://old bookworm main\ndeb [arch=amd64 signed-by=/k] https://m/debian bookworm main contrib\n';
    expect(parseMirrors([text], 'bookworm')).toEqual({ archive: 'https://m/debian' });
  });

  it('are not taken from the sources of other programs or releases', () => {
    const text = 'deb https://vendor.example/apt stable main\ndeb http://m/debian bullseye main\n';
    expect(parseMirrors([text], 'bookworm')).toBeUndefined();
  });

  it('are none where they stand in a file of the machine, as in cloud images', () => {
    const text = 'Types: deb\nURIs: mirror+file:///etc/apt/mirrors/debian.list\nSuites: bookworm\nComponents: main\n';
    expect(parseMirrors([text], 'bookworm')).toBeUndefined();
  });

  it('serve another release as well', () => {
    const text = renderSources({ archive: 'http://m/debian', security: 'http://m/security' }, 'trixie');
    expect(parseMirrors([text], 'trixie')).toEqual({ archive: 'http://m/debian', security: 'http://m/security' });
  });
});
