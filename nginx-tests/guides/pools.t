# docs/guides/pools.md: its file and commands, what its servers see, and the [warn] for one name in two pools.

use Sticky qw(Guides Documents);

our $page = 'docs/guides/pools.md';

our $servers = servers(qq[location / { return 200 "NAME [\$http_cookie]"; }\n], qw(A B C C1 A1 B1));
our ($colours) = nginx_parts($page);

add_block_preprocessor(sub {
    my ($block) = @_;
    my $part = on_this_machine($colours);
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



=== two applications with two versions each: the header decides, or else the cookie
--- colours: listen => listen
--- client
my $colour = sub {
    my ($path, $header, $cookie) = @_;
    return body(response(say_to_nginx(expand("GET $path HTTP/1.0\r\nHost: localhost\r\n" . ($header ? "X-Colour: $header\r\n" : '')
        . "Cookie: $cookie\r\n\r\n"), 1983)));
};
my $all = 'route_shop_blue=ID_A; route_shop_green=ID_A1; route_forum_blue=ID_B; route_forum_green=ID_B1';
my $of_forum = 'route_forum_blue=ID_B; route_forum_green=ID_B1';
equals($colour->('/shop/', '', $all), "A [${\ expand($of_forum)}]", 'blue by default; the cookies of the shop are hidden');
like($colour->('/shop/', @$_[0, 1]), qr/^$$_[2] /, "@$_") for ['green', $all, 'A1'], ['', "colour=green; $all", 'A1'],
    ['blue', "colour=green; $all", 'A'], ['green', 'colour=blue', 'A1'], ['greenish', 'colour=greener', 'A'];
like($colour->('/forum/', 'green', $all), qr/^B1 /, 'the forum');



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
