# docs/guides/pools.md: its file and commands, what its servers see, and the [warn] for one name in two pools.

use Sticky qw(Guides Documents);

our $page = 'docs/guides/pools.md';

guide_sections($page, servers(qq[location / { return 200 "NAME [\$http_cookie]"; }\n], qw(A B C C1)));

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
