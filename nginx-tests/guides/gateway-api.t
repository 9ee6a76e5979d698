# docs/guides/gateway-api.md: its configurations, compared with the requirements of the API. Shares of many first visits are
# tested in nginx-tests/balancers.

use Sticky qw(Guides);

our $page = 'docs/guides/gateway-api.md';
our @guide = map { http_of($_) } nginx_files($page);

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my @names = grep { $_ ne ($block->gone // '') } qw(A B);
    $block->set_value(http_config => servers(qq[access_log off;\nlocation / { return 200 "NAME"; }\n], @names) . $guide[$block->number - 1]);
    $block->set_value(no_error_log => "[warn]\n[alert]\n[crit]\n[emerg]\n") if !defined $block->gone;
});

sub call {
    my ($session) = @_;
    return response(say_to_nginx("GET / HTTP/1.0\r\n" . (defined $session ? expand("X-Session: $session\r\n") : '') . "\r\n", 1983));
}

run_tests();

__DATA__

=== type: Cookie
--- number: 1
--- client
my @first = map { visit('/', undef, 1983) } 1 .. 10;
equals(join(' ', sort map { body($_) } @first), 'A A A A A A A A A B', 'weights');
my $now = time;
for my $response (@first) {
    my $id = id(body($response));
    holds(set($response) =~ /^shop=$id\|\d+\|\d+; Path=\/; Max-Age=28800; Expires=[^;]+; Secure; HttpOnly; SameSite=Strict$/, 'the cookie');
}
my $of = sub { my ($age) = @_; my $time = $now - $age; return body(visit('/', "shop=ID_B|$time|$time", 1983)) };
equals($of->(28_000), 'B', 'before the end');
equals(join('', map { $of->(28_900) } 1 .. 3), 'AAA', 'a session that has ended');



=== the commands for type: Cookie
--- number: 1
--- client
follow_transcript((transcripts($page))[0]);



=== the commands for type: Header
--- number: 2
--- client
follow_transcript((transcripts($page))[1]);



=== type: Cookie, with an unreachable server
--- number: 1
--- gone: B
--- client
my $response = visit('/', 'shop=ID_B', 1983);
equals(body($response), 'A', 'another serves it');
equals(bound($response) =~ s/\|.*//r, 'ID_A', 'and the session moves');



=== type: Header
--- number: 2
--- client
for (1, 2) {
    my $first = call();
    my $session = head('X-Session', $first);
    equals($session, id(body($first)), 'the header names the session');
    equals(set($first), '', 'no cookie');
    equals(join('', map { body(call($session)) } 1 .. 3), body($first) x 3, 'and leads back');
}
holds(head('X-Session', call('nobody')) =~ /^[0-9a-f]{32}$/, 'a header of no server is a first visit');



=== type: Header, with an unreachable server
--- number: 2
--- gone: B
--- client
my $response = call('ID_B');
equals(body($response), 'A', 'another serves it');
equals(head('X-Session', $response), 'ID_A', 'whose name the client has from now on');
