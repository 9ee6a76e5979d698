# $session_sticky_previous is the session's server at the time of the request: while the session moves, over reloads,
# and with any cookies. See lib/EarlyWords.pm for the sections and "says", Visits.pm for "reload".

use Sticky qw(Control EarlyWords Running Upstreams Visits);

master_on();
early_sections();
run_tests();

__DATA__

=== a session that moves: the new server and the log get the previous one
--- upstreams
upstream u     { session_sticky; server A: down; server B:; }
upstream learn { session_sticky mode=learn lookup=$arg_s create=$arg_s zone=moves:64k; server B: max_fails=0; server A: backup; }
upstream fails { session_sticky cookie=f; server D: max_fails=0; server E: max_fails=0; server A: backup; }
--- locations
location /learns/ { proxy_next_upstream http_503; proxy_pass http://learn/fails; }
--- client
my $response = visit('/u/', "route=$id{A}", 1983);
equals(said($response), 'down A', 'the previous server');
equals(bound($response), $id{B}, 'the session has moved');
says('/u/', "route=$id{B}", 'valid B');
says('/learn/?s=x', undef, 'none -');
says('/learn/?s=x', undef, 'valid B');
says('/fails/', "f=$id{E}", 'valid E => down E');



=== of servers that share an ID, the one that serves
--- upstreams
upstream u { session_sticky hash=plain; server D: id=x max_fails=0; server A: id=x; server B: id=x backup; server C:; }
--- client
says('/u/', 'route=x', 'valid D => valid A') for 1, 2;



=== over a reload
--- upstreams
upstream u { zone reloads 128k; session_sticky; server A:; server B:; }
--- client
says('/u/', "route=$id{B}", 'valid B');
holds(reload(), 'nginx is reloaded');
says('/u/', "route=$id{B}", 'valid B');



=== a server that is drained, and taken down
--- upstreams
upstream u { zone control 128k; session_sticky; server A:; server B:; }
--- locations eval: $main::control
--- client
says('/u/', "route=$id{B}", 'valid B');
now('u', 'B', 'drain');
says('/u/', "route=$id{B}", 'valid B');
now('u', 'B', 'down');
says('/u/', "route=$id{B}", 'down B');
now('u', 'B', 'up');
says('/u/', "route=$id{B}", 'valid B');



=== hostile cookies: no address but those of the upstream's servers
--- upstreams
upstream u     { session_sticky maxidle=1h; server A:; server B:; }
upstream plain { session_sticky hash=plain accept=md5,traefik,haproxy,bigip,jvmroute,angie; server A:; server B: id=b; }
upstream p     { session_sticky mode=prefix cookie=route accept=jvmroute; server A:; server B:; }
upstream route { session_sticky mode=route lookup=$cookie_route; server A:; server B:; }
--- no_error_log
[alert]
[emerg]
--- client
srand 17;
my @pieces = ($id{A}, $id{B}, 'b', '127.0.0.1:1985', '169.254.169.254:80', 'unix:/etc/passwd', '|', '~', '.', '%0d%0a', "\x01", "\xff",
              '"', ' ', ',', 'route=', '; route=', '1600000000', time, '!1677787402.36895.0000', 'x' x 300);
for my $upstream (qw(u plain p route)) {
    my %found;
    for (1 .. 150) {
        my $cookie = 'route=' . join '', map { $pieces[rand @pieces] } 0 .. rand 5;
        my $response = visit("/$upstream/", $cookie, 1983);
        next if status($response) ne '200';
        for my $field (qw(X-Saw X-Final)) {
            my ($verdict, $previous) = split m{/}, head($field, $response), 2;
            $found{$previous // ''}++;
            holds(0, "$upstream: $cookie: $verdict $previous") if ($verdict =~ /^(?:valid|down)$/) != (($previous // '') ne '');
        }
        equals(head('X-Saw', $response), head('X-Final', $response), "$upstream: $cookie") if head('X-Saw', $response) ne head('X-Final', $response);
    }
    equals(join(' ', sort grep { !/^127\.0\.0\.1:198[56]$/ } keys %found), '', "$upstream: no other address");
    holds($found{$line{A}} || $found{$line{B}}, "$upstream: some addresses are found");
}
