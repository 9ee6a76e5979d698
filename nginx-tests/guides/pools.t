# docs/guides/pools.md: its file and commands, what its servers see, and the [warn] for one name in two pools.

use Sticky qw(Guides Documents);

our $page = 'docs/guides/pools.md';

our $servers = servers(qq[location / { return 200 "NAME [\$http_cookie]"; }\n], qw(A B C C1 A1 B1));
our ($colours) = nginx_parts($page);

add_block_preprocessor(sub {
    my ($block) = @_;
    my $part = $colours;
    if (defined $block->forum) {
        # The second application, with the parts of the first repeated as the page says.
        my $of_shop = join '', $part =~ /^(upstream .*?^\}\n)/msg;
        my ($location) = $part =~ /^( +location .*?^ {4}\}\n)/ms;
        s/shop/forum/g for $of_shop, $location;
        $part =~ s/^(?=server)/$of_shop/m;
        $part =~ s/^(?= +location)/$location/m;
    }
    $part = on_this_machine($part);
    for my $line (split /\n/, $block->colours // return) {
        my ($from, $to) = $line =~ /^(.*) => ?(.*)$/;
        $part =~ s/$from/$to/g or bail_out("$from is not in the part");
    }
    $block->set_value(http_config => $servers . $part);
});
guide_sections($page, $servers);

sub at { my ($path, $cookie) = @_; return visit($path, $cookie, 1983) }

run_tests();

__DATA__

=== the commands
--- client
follow_transcript((transcripts($page))[0]);



=== the servers of both pools see neither cookie
--- client
my $both = 'a=b; route_web=ID_B; route_reports=ID_C1; c=d';
equals(body(at('/', $both)), 'B [a=b; c=d]', 'web');
equals(body(at('/reports/', $both)), 'C1 [a=b; c=d]', 'reports');



=== a cookie that is not hidden is an [error]
--- but: upstream=web upstream=reports; => upstream=web;
--- client
holds(body(at('/reports/', 'route_reports=ID_C1')) =~ /route_reports=/, 'it is seen');
--- error_log
cookie "route_reports" of upstream "reports" is not hidden from its servers



=== one name in both pools is a [warn]: a client that visits both loses its session each time
--- but
cookie=route_web => cookie=route
cookie=route_reports => cookie=route
--- client
my $web = bound(at('/'));
holds(bound(at('/reports/', "route=$web")) ne '', 'replaced');
--- error_log
cookie "route" of upstream "reports" is also that of upstream "web"



=== two versions: the header decides, or else the cookie
--- colours: listen => listen
--- client
my $colour = sub {
    my ($path, $header, $cookie) = @_;
    return response(say_to_nginx(expand("GET $path HTTP/1.0\r\nHost: localhost\r\n" . ($header ? "X-Colour: $header\r\n" : '')
        . "Cookie: $cookie\r\n\r\n"), 1983));
};
my $all = 'route_shop_blue=ID_B; route_shop_green=ID_A1';
equals(body($colour->('/shop/', '', "a=b; $all")), 'B [a=b]', 'blue by default; both cookies are hidden');
like(body($colour->('/shop/', @$_[0, 1])), qr/^$$_[2] /, "@$_") for ['green', $all, 'A1'], ['', "colour=green; $all", 'A1'],
    ['blue', "colour=green; $all", 'B'], ['greenish', "colour=greener; $all", 'B'];
my $other = $colour->('/shop/', 'green', 'route_shop_blue=ID_B');
like(set($other), qr/^route_shop_green=\w+; Path=\/shop; HttpOnly; SameSite=Lax$/, 'a client that changes begins a session there, and keeps its cookie');
like(body($colour->('/shop/', 'blue', 'route_shop_blue=ID_B; route_shop_green=' . bound($other))), qr/^B /, 'and comes back to its server');
like(head('Location', $colour->('/shop', '', $all)), qr{/shop/$}, 'without the slash: a redirect');
equals(status($colour->('/shopping', '', $all)), '404', 'another path');



=== two applications with two versions each
--- colours: listen => listen
--- forum
--- client
my $forum = 'route_forum_blue=ID_A; route_forum_green=ID_B1';
equals(body(at('/forum/', "colour=green; route_shop_blue=ID_B; $forum")), 'B1 [colour=green; route_shop_blue=ID_B]', 'the forum');
equals(body(at('/shop/', "colour=green; route_shop_green=ID_A1; $forum")), "A1 [colour=green; $forum]", 'the shop');



=== one name for all colours, by a variable and not hidden: no [warn], and a client that changes loses its session
--- colours
cookie=\w+ => cookie=route
session_sticky_hide_cookie [^;]*; =>
listen => add_header Verdict $session_sticky_status/$session_sticky_verdict; listen
--- client
my $verdict = sub { my ($session, $colour) = @_; return head('Verdict', visit('/shop/', "colour=$colour; route=$session", 1983)) };
equals($verdict->('ID_A', 'blue'), 'bound/valid', 'blue');
equals($verdict->('ID_A', 'green'), 'new/unknown', 'green');
--- no_error_log
[warn]
