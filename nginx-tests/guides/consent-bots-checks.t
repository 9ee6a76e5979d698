# docs/guides/consent-bots-checks.md: its file, its commands, and each line of its table.

use Sticky qw(Guides Documents);

our $page = 'docs/guides/consent-bots-checks.md';

guide_sections($page, servers(qq[location / { return 200 "NAME"; }\n], qw(A B C)));

sub at {
    my ($path, $cookie) = @_;
    $cookie = defined $cookie ? 'Cookie: ' . expand($cookie) . "\r\n" : '';
    return response(say_to_nginx("GET $path HTTP/1.0\r\nHost: localhost\r\nUser-Agent: Browser/1\r\n$cookie\r\n", 1983));
}

run_tests();

__DATA__

=== the commands
--- client
follow_transcript((transcripts($page))[0]);



=== the responses for a visitor
--- client
my $before = at('/');
equals(set($before), '', 'no consent: no cookie');
my $first = at('/', 'consent=all');
equals(body($first), body($before), 'with it, the same server');
equals(set($first), id(body($first)) =~ s/.*/route=$&; Path=\/; HttpOnly; SameSite=Lax/sr, 'and its cookie');
for my $name (qw(A B C)) {
    my $later = at('/', "consent=functional; route=ID_$name");
    equals(body($later) . set($later), $name, "later, the cookie chooses $name");
    my $withdrawn = at('/', "consent=none; route=ID_$name");
    equals(body($withdrawn), body($before), 'withdrawn: the address chooses');
    equals(set($withdrawn), 'route=; Path=/; Max-Age=0', 'and the cookie is deleted');
    equals(body(at('/readyz', "consent=all; route=ID_$name")), body($before), 'a check does not follow it');
}
