# docs/guides/blue-green.md: its file and commands, a switch, the end of blue, and a rollback. A1 and B1 are green.

# Server states set at run time outlive a reload, so each block needs its own nginx in mode hup too.
BEGIN { delete $ENV{TEST_NGINX_USE_HUP} }

use Sticky qw(Guides Documents Running Visits);

our $page = 'docs/guides/blue-green.md';
our ($preview, $switched, $drained) = transcripts($page);

guide_sections($page, sub { return servers(qq[location / { return 200 "NAME"; }\n], split ' ', $_[0]->runs // 'A B C A1 B1 C1') });

sub at { my ($cookie) = @_; return visit('/shop/', $cookie, 1983) }
sub served { return join ' ', map { body($_) } @_ }
sub switch_to { my ($from, $to) = @_; configure(qr/default  shop_$from;/, "default  shop_$to;"); return holds(reload(), "switched to $to") }
sub told {
    my ($upstream, $id, $state) = @_;
    my $body = qq[{"state":"$state"}];
    my $response = response(say_to_nginx("PATCH /sessions/upstreams/$upstream/servers/$id HTTP/1.0\r\nHost: localhost\r\n"
        . "Content-Type: application/json\r\nContent-Length: " . length($body) . "\r\n\r\n$body", 1982));
    return equals(status($response), '200', "$id is $state");
}
# A session of this server that began, and was last used, this many seconds ago.
sub session { my ($id, $age) = @_; my $time = int(time) - ($age // 0); return "shop=$id|$time|$time" }

master_on();
run_tests();

__DATA__

=== the commands, and their effects
--- client
follow_transcript($preview);
switch_to(qw(blue green));
follow_transcript($switched);
follow_transcript($drained);
equals(served(map { at(session('blue2')) } 1 .. 2), 'B B', 'sessions of blue stay');
my @ended = map { at(session('blue2', 3600)) } 1 .. 2;
holds(!grep({ body($_) !~ /^[AB]1$/ } @ended), 'those that have ended begin on green');
holds(!grep({ bound($_) !~ /^green[12]\|/ } @ended), 'with a cookie of green');
holds(!grep({ body($_) !~ /^[AB]1$/ } map { at() } 1 .. 4), 'and so do first visits');
--- may_fail



=== rollback
--- client
switch_to(qw(blue green));
my $green = at();
holds(body($green) =~ /^[AB]1$/, 'green');
switch_to(qw(green blue));
holds(body(at()) =~ /^[AB]$/, 'first visits are on blue again');
equals(body(at(session('green2'))), 'B1', 'sessions of green stay');
told('shop_green', $_, 'down') for qw(green1 green2);
my $moved = at(session('green2'));
holds(body($moved) =~ /^[AB]$/, 'until green is down');
holds(bound($moved) =~ /^blue[12]\|/, 'and move to blue');
--- may_fail



=== the other application has its own cookie
--- client
my $response = visit('/api/', 'shop=green1', 1983);
holds(body($response) =~ /^C1?$/, 'its servers');
holds(set($response) =~ /^api=[0-9a-f]{32}; Path=\/api; HttpOnly; SameSite=Lax$/, 'its cookie');
holds(set(at()) =~ /^shop=blue[12]\|\d+\|\d+; Path=\/shop; HttpOnly; SameSite=Lax$/, 'and that of the shop');



=== /shopping is not the shop's, and /shop is redirected
--- client
equals(status(visit('/shopping', undef, 1983)), '404', '/shopping');
my $response = visit('/shop', undef, 1983);
equals(status($response), '301', '/shop');
like(head('Location', $response), qr{/shop/$}, 'to /shop/');



=== a request that a server may have processed is not sent to the other version
--- runs: A1 B1
--- but: default  shop_blue; => default  shop_green;
--- client
my %servers = map { $_ => serve($port{$_}) } qw(A B);
my $asked = say_to_nginx(expand("POST /shop/ HTTP/1.0\r\nHost: localhost\r\nCookie: ${\ session('blue1')}\r\nContent-Length: 3\r\n\r\na=b"), 1983);
close taken($servers{A});
equals(status(response($asked)), '502', 'its connection was closed');
close $_ for values %servers;
my $moved = response(say_to_nginx(expand("POST /shop/ HTTP/1.0\r\nHost: localhost\r\nCookie: ${\ session('blue2')}\r\nContent-Length: 3\r\n\r\na=b"), 1983));
like(body($moved), qr/^[AB]1$/, 'one that no server has received is sent there');
--- may_fail
