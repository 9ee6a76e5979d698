# docs/guides/strict.md: its file, its commands, and each line of its table. Server A is gone, where "runs" does not say otherwise.

use Sticky qw(Guides Documents);

our $page = 'docs/guides/strict.md';

guide_sections($page, sub {
    my ($block) = @_;
    return servers(qq[location / { return 200 "NAME"; }\nlocation /500 { return 500 "NAME failed"; }\nlocation /503 { return 503 "NAME is busy"; }\n],
        split ' ', $block->runs // 'B');
});

sub at { my ($path, $cookie) = @_; return visit($path, $cookie, 1983) }
sub told { my $response = at(@_); return join ' ', status($response), head('Retry-After', $response) || '-', substr(body($response), 0, 12), set($response) }

our $page_of_outage = '503 30 <!doctype ht ';

run_tests();

__DATA__

=== the commands
--- may_fail
--- client
follow_transcript((transcripts($page))[0]);



=== a server that is gone
--- may_fail
--- client
equals(told('/', 'route=ID_A'), $page_of_outage, "request $_ of its session") for 1 .. 5;
equals(told('/', 'route=ID_B'), '200 - B ', 'another session');
equals(told('/') =~ s/ route=.*//r, '200 - B', 'a first visit');
equals(told('/', 'route=nobody'), $page_of_outage, 'a cookie of no server');



=== a server that has been removed, with fallback=unknown
--- but: fallback=off => fallback=unknown
--- may_fail
--- client
equals(told('/', 'route=ID_A'), $page_of_outage, 'no other server');
equals(told('/', 'route=nobody') =~ s/ route=.*//r, '200 - B', 'a cookie of no server begins anew');



=== a server that is down
--- runs: A B
--- but: server 192.0.2.1:8080 max_fails=3 fail_timeout=10s; => server 192.0.2.1:8080 down;
--- may_fail
--- client
equals(told('/', 'route=ID_A'), $page_of_outage, 'its session');



=== what the server itself says, and what comes late
--- runs: A B
--- but: proxy_connect_timeout 3s; => proxy_connect_timeout 3s; proxy_read_timeout 300ms;
--- may_fail
--- client
equals(told('/500', 'route=ID_A'), '500 - A failed ', '500');
equals(told('/503', 'route=ID_A'), '503 - A is busy ', '503');



=== a server that does not respond in time
--- but: proxy_connect_timeout 3s; => proxy_connect_timeout 3s; proxy_read_timeout 300ms;
--- may_fail
--- client
my $silent = serve($port{A});
equals(told('/', 'route=ID_A') =~ s/ .*//sr, '504', 'its session');
